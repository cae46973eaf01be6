//! The address of the admin listener and the token: from the arguments, the file that the process
//! runs from, and the environment.

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{address::Address, default_file, request::AdminClient, trust::TrustArguments};
use crate::config::{self, Config, ListenAddress};

/// The process that a command is for.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which process to ask")]
pub(in crate::cli) struct AdminTarget {
    /// The process that runs from this file: its key `admin` says where it listens, and the token
    /// [default: the environment variable LB_CONF, else /etc/lb/lb.yaml if it is there].
    #[arg(short = 'c', long = "conf", value_name = "FILE", conflicts_with = "admin")]
    conf: Option<PathBuf>,
    /// The process whose admin listener is here: http://127.0.0.1:9900, https://10.0.0.1:9900 or
    /// unix:/run/lb/admin.sock [default: http://127.0.0.1:9900].
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Address>,
    /// The token is in this file [default: the token of the file given with -c, or the environment
    /// variable LB_ADMIN_TOKEN].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArguments,
}

/// The address if none is given.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);
/// The environment variable with the token; an argument could be read by every user.
const TOKEN_VARIABLE: &str = "LB_ADMIN_TOKEN";

impl AdminTarget {
    /// The client for the process that the arguments name.
    ///
    /// # Errors
    ///
    /// A message, if the file has problems or no admin listener, or the token cannot be read.
    pub(in crate::cli) fn client(&self) -> Result<AdminClient, String> {
        let file = match (&self.conf, &self.admin) {
            (None, None) => default_file::find(),
            (conf, _) => conf.clone(),
        };
        let (address, config) = match (&file, &self.admin) {
            (Some(file), _) => from_file(file).map(|(address, config)| (address, Some(config)))?,
            (None, Some(address)) => (address.clone(), None),
            (None, None) => (Address::Tcp(DEFAULT_ADDRESS.to_string()), None),
        };
        let admin = config.as_ref().and_then(|config| config.admin.as_ref());
        let configured = admin.and_then(|admin| admin.token.as_ref());
        let configured = configured.map(|token| token.secret().to_owned());
        let trust = self.trust.trust(&address, config.as_ref())?;
        let token = match &self.token_file {
            Some(file) => Some(token_in(file)?),
            None => configured.or_else(|| env::var(TOKEN_VARIABLE).ok()),
        };
        // A token is sent in a header.
        if token.as_deref().is_some_and(|token| !token.chars().all(|c| c.is_ascii_graphic())) {
            return Err("the token must be one line of visible ASCII characters".to_owned());
        }
        let token = token.filter(|token| !token.is_empty());
        Ok(AdminClient { address, token, trust, file })
    }
}

/// The configuration as far as it can be read, and the address in it. Names of backends are not looked up.
fn from_file(file: &Path) -> Result<(Address, Config), String> {
    let config = config::load_admin(file).map_err(|problems| {
        format!(
            "{problems}\n(a process that runs is reached without the file, too: with --admin \
             http://ADDRESS, and --token-file FILE if it has a token)"
        )
    })?;
    let shown = file.display();
    let admin = config.admin.as_ref().ok_or_else(|| {
        format!(
            "{shown} has no admin listener (write \"admin: {{ address: {DEFAULT_ADDRESS} }}\" in it, then: \
             lb upgrade -c {shown})"
        )
    })?;
    let address = match &admin.address {
        ListenAddress::Unix(path) => Address::Unix(path.clone()),
        ListenAddress::Abstract(name) => Address::Unix(format!("\0{name}").into()),
        ListenAddress::Tcp(address) if address.port() == 0 => {
            return Err(format!(
                "the port of the admin listener in {shown} is 0, so only the log of the process \
                 shows it (name it, as in --admin http://127.0.0.1:9900)"
            ));
        }
        ListenAddress::Tcp(address) => {
            let place = reachable(*address).to_string();
            if admin.tls.is_some() { Address::Tls(place) } else { Address::Tcp(place) }
        }
    };
    Ok((address, config))
}

/// A listener on all addresses is reached on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn token_in(file: &Path) -> Result<String, String> {
    match fs::read_to_string(file) {
        Ok(text) if text.trim().is_empty() => Err(format!("{}: is empty", file.display())),
        Ok(text) => Ok(text.trim_end().to_owned()),
        Err(error) => Err(format!(
            "{}: the token cannot be read: {error} (check the path and its permissions)",
            file.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_loopback() {
        for (configured, asked) in [
            ("0.0.0.0:9900", "127.0.0.1:9900"),
            ("[::]:9900", "[::1]:9900"),
            ("10.0.0.1:9900", "10.0.0.1:9900"),
        ] {
            assert_eq!(reachable(configured.parse().unwrap()).to_string(), asked);
        }
    }
}
