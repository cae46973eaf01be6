#!/bin/sh
# Makes the folder that the image consists of: the program without symbols, the libraries that it names, the
# certificates of authorities, and a user. The C library looks up hosts by itself and needs no other file.
#
#     scripts/image-root.sh target/release/lb FOLDER
set -eu

program=$1
root=$2
mkdir -p "$root/etc/ssl/certs" "$root/tmp" "$root/var/lib/lb" "$root/usr/local/bin"
install -m 755 "$program" "$root/usr/local/bin/lb"
strip "$root/usr/local/bin/lb"
for library in $(ldd "$program" | grep -o '/[^ ]*'); do
    # The real file under the name that the program asks for; the folder of the loader has its usual name.
    install -D -m 755 "$(readlink -f "$library")" "$root$library"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo "lb:x:65532:65532:lb:/var/lib/lb:/sbin/nologin" >"$root/etc/passwd"
echo "lb:x:65532:" >"$root/etc/group"
chmod 1777 "$root/tmp"
chown 65532:65532 "$root/var/lib/lb"
