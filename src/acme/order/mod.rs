//! One order: from the account to a certificate (RFC 8555 section 7.4).

mod authority;
mod client;

use std::time::Duration;

use instant_acme::{
    AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use tokio::time;

pub(super) use self::authority::{OrderFailure, external_key};
use super::{
    challenge::{Challenges, PostedAnswer},
    made::{self, Pem},
    request::CertificateRequest,
    state::StateFolder,
};
use crate::clock;
use crate::config::{Acme, Challenge};

/// The limit on an order. Authorities look at a host from several places, and wait for slow ones.
const PATIENCE: Duration = Duration::from_secs(180);
/// How the authority is asked whether it has decided.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.3)
    .timeout(Duration::from_secs(90));
/// The tries of an order that fails by what happens to be in the way.
const TRIES: usize = 5;

/// Has the authority sign a certificate for the hosts of this request.
pub(super) async fn order(
    folder: &StateFolder,
    request: &CertificateRequest,
    acme: &Acme,
) -> Result<Pem, OrderFailure> {
    let (mut tries, mut may_forget) = (1, true);
    loop {
        let ordering = time::timeout(PATIENCE, order_once(folder, request, acme));
        let ordered = match ordering.await {
            Ok(ordered) => ordered,
            Err(_) => Err(OrderFailure::new("the authority has not decided in time")),
        };
        match ordered {
            Err(failure) if tries < TRIES && failure.is_momentary => {}
            // An authority that does not know the account that it has just made is not asked for more.
            Err(failure) if may_forget && failure.is_account_gone => {
                authority::forget_account(folder, request)?;
                may_forget = false;
            }
            ordered => return ordered,
        }
        tries += 1;
    }
}

async fn order_once(
    folder: &StateFolder,
    request: &CertificateRequest,
    acme: &Acme,
) -> Result<Pem, OrderFailure> {
    let account = authority::account(folder, request, acme).await?;
    let hosts = request.hosts.iter().map(|host| Identifier::Dns(host.to_string()));
    let hosts: Vec<_> = hosts.collect();
    let mut order = account.new_order(&NewOrder::new(&hosts)).await?;
    let challenges = Challenges::at(folder.challenges());
    challenges.sweep(clock::wall());
    // They are answered until the authority has decided.
    let answers = answer(&mut order, &challenges, acme.challenge).await?;
    let decided = order.poll_ready(&POLLS).await;
    drop(answers);
    match decided {
        Ok(OrderStatus::Ready) => {}
        Ok(_) => return Err(refused(&mut order).await),
        Err(error) => {
            let failure = OrderFailure::from(error);
            return Err(if failure.is_momentary {
                failure
            } else {
                refusal(&mut order, failure).await
            });
        }
    }
    let (key, csr) = made::request(&request.hosts)
        .map_err(|error| OrderFailure::new(format!("no key can be made: {error}")))?;
    order.finalize_csr(&csr).await?;
    let chain = order.poll_certificate(&POLLS).await?;
    Ok(Pem { chain, key: key.serialize_pem() })
}

/// Answers the challenges of every host that the authority has not looked at lately.
async fn answer(
    order: &mut Order,
    challenges: &Challenges,
    challenge: Challenge,
) -> Result<Vec<PostedAnswer>, OrderFailure> {
    let kind = match challenge {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    };
    let mut answers = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let host = authorization.identifier().to_string();
        let Some(mut asked) = authorization.challenge(kind.clone()) else {
            let error = format!("the authority offers no challenge of this kind for {host}");
            return Err(OrderFailure::new(error));
        };
        let key = asked.key_authorization();
        answers.push(challenges.post(challenge, (&host, &asked.token), key.as_str())?);
        asked.set_ready().await?;
    }
    Ok(answers)
}

/// Why the authority refuses the order: the order itself may only say that it does.
async fn refused(order: &mut Order) -> OrderFailure {
    let unknown = OrderFailure::new("the authority refuses the order, and does not say why");
    refusal(order, unknown).await
}

/// What the authority says of each host that it has not found to be ours, or this failure.
async fn refusal(order: &mut Order, failure: OrderFailure) -> OrderFailure {
    let mut reasons: Vec<OrderFailure> = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        let host = state.identifier().to_string();
        let errors = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        reasons.extend(errors.map(|problem| {
            let reason = OrderFailure::of_authority(problem);
            OrderFailure { error: format!("{host}: {}", reason.error), ..reason }
        }));
    }
    if reasons.is_empty() {
        return failure;
    }
    let is_limited = reasons.iter().any(|reason| reason.is_limited);
    let errors: Vec<_> = reasons.into_iter().map(|reason| reason.error).collect();
    OrderFailure { is_limited, ..OrderFailure::new(errors.join("; ")) }
}
