#!/usr/bin/env bash
# What a clean release build of the API's types costs, in CPU seconds, beside grammers-tl-types.
# Three crates that do nothing but depend on one of the two, and a small one that uses ours, are
# built in a folder of their own. The first run downloads grammers.
set -euo pipefail

schema=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package() { # name, dependency
    mkdir -p "$work/$1/src"
    printf '[package]\nname = "%s"\nversion = "0.0.0"\nedition = "2024"\n\n[dependencies]\n%s\n\n[workspace]\n' \
        "$1" "$2" >"$work/$1/Cargo.toml"
    echo 'fn main() {}' >"$work/$1/src/main.rs"
    (cd "$work/$1" && cargo fetch -q)
}

TIMEFORMAT='%U %S'
cpu() { # CPU seconds of a command
    { time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ printf "%.1f", $1 + $2 }'
}

clean_build() { # name, cargo's arguments
    cd "$work/$1"
    rm -rf target
    cpu cargo "${@:2}" -j "$(nproc)"
}

package ours "mtproto-schema = { path = \"$schema\" }"
package bare "mtproto-schema = { path = \"$schema\", default-features = false, features = [\"api\"] }"
package grammers 'grammers-tl-types = "0.11"'
package user "mtproto-schema = { path = \"$schema\" }"
cp "$schema/../tests/tests/schema/small_user.rs" "$work/user/src/main.rs"

echo "round  ours(default)  ours(no derives)  grammers  | check: ours grammers | rebuild of a small user"
for round in 1 2 3; do
    ours=$(clean_build ours build --release)
    bare=$(clean_build bare build --release)
    grammers=$(clean_build grammers build --release)
    check_ours=$(clean_build ours check)
    check_grammers=$(clean_build grammers check)
    cd "$work/user"
    cargo build -q --release
    touch src/main.rs
    user=$(cpu cargo build --release)
    echo "$round      $ours           $bare              $grammers      | $check_ours $check_grammers | $user"
done
