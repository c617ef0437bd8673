#!/usr/bin/env bash
# What a venue does, told by curl: each call, what it answers, and what the stream shows of it.
#
#   openoutcry serve --config docs/venue.toml --data-dir "$(mktemp -d)"     in one terminal,
#   docs/curl.sh [localhost:8080]                                           in another: it ends with 0 if all of it is so.
#
# It asks for a venue that nobody has traded on. Lines that begin with curl do what they say at any prompt.
set -euo pipefail
cd "$(dirname "$0")"
venue=${1:-localhost:8080}
seen=0

# Calls, and keeps the answer: head, body, and the status in the end.
curl() { answer=$(command curl --silent --show-error --include --max-time 20 --write-out '\n%{http_code}' "$@"); }
# The answer has this status, and everything that follows is in it.
says() {
    local status=$1 part
    shift
    [[ ${answer##*$'\n'} == "$status" ]] || fail "status $status"
    for part in "$@"; do [[ $answer == *"$part"* ]] || fail "$part"; done
}
# The stream has exactly these executions since it was last looked at: an order can be read a moment before they are there.
streams() {
    local page
    for _ in {1..100}; do
        page=$(command curl --silent --show-error --fail "$venue/executions?from_seq=$((seen + 1))&limit=1000")
        answer=$(sed 's/"exec_id":[0-9]*,"type"/\n&/g' <<<"$page" | sed --quiet 's/^"exec_id":[0-9]*,"type":"\([a-z_]*\)".*/\1/p' | xargs)
        [[ $answer != "$*" ]] || { seen=$((seen + $#)); return 0; }
        sleep 0.05
    done
    fail "executions: $*"
}
# Asks again until the answer has that: for what the venue's clock does.
until_says() {
    local part=$1
    shift
    for _ in {1..200}; do curl "$@"; [[ $answer == *"$part"* ]] && return; sleep 0.05; done
    fail "$part"
}
fail() { printf '%s:%s: expected %s in\n%s\n' "$0" "${BASH_LINENO[1]}" "$1" "$answer" >&2; exit 1; }
chapter() { printf '  %s\n' "$*"; }

chapter "A market order takes what there is; the same line again buys nothing twice"
curl "$venue/orders" --json '{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"0.5","client_order_id":"my-1"}'
says 201 '"status":"filled"' '"avg_price":"42000"' 'location: /orders/1'
curl "$venue/orders" --json '{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"0.5","client_order_id":"my-1"}'
says 200 '"order_id":1,' 'idempotent-replayed: true'
curl "$venue/orders" --json '{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"0.6","client_order_id":"my-1"}'
says 422 '"code":"client_order_id_conflict"' '"outcome":"not_accepted"'
curl "$venue/orders" --json '{"symbol":"BTC/USDT","side":"sell","type":"market","quantity":"0.5","client_order_id":"later"}' -H 'Prefer: respond-async'
says 202 '"outcome":"unknown"' 'location: /orders/by-client-id/later'
until_says '"status":"filled"' "$venue/orders/by-client-id/later"
streams accepted filled accepted filled

chapter "A limit order rests, can be read, replaced and canceled; once ended it stays ended"
curl "$venue/orders" --json '{"symbol":"BTC/USDT","side":"buy","type":"limit","quantity":"2","price":"41000","client_order_id":"bid"}'
says 201 '"status":"open"' '"leaves_qty":"2"'
curl "$venue/book/BTC-USDT?depth=2"
says 200 '"bids":[["42000",null],["41000","2"]]' '"asks":[["42000",null]]'
curl -X PATCH "$venue/orders/by-client-id/bid" --json '{"quantity":"1.5"}'
says 200 '"priority":"kept"' '"quantity":"1.5"'
curl -X PATCH "$venue/orders/by-client-id/bid" --json '{"price":"41500"}'
says 200 '"priority":"lost"' '"price":"41500"'
curl -X PATCH "$venue/orders/by-client-id/bid" --json '{"price":"41500.001"}'
says 422 '"code":"tick_size"'
curl -X DELETE "$venue/orders/by-client-id/bid"
says 200 '"status":"canceled"' '"leaves_qty":"0"'
curl -X DELETE "$venue/orders/by-client-id/bid"
says 409 '"code":"not_cancelable"' '"status":"canceled"'
curl -X PATCH "$venue/orders/by-client-id/bid" --json '{"price":"41600"}'
says 409 '"code":"not_replaceable"'
curl -X DELETE "$venue/orders/999"
says 404 '"code":"unknown_order"'
streams accepted replaced replaced replace_rejected canceled cancel_rejected replace_rejected

chapter "A quote moves the book: it has size, is used up, and fills what rests"
curl "$venue/quotes" --json '{"exchange":"mine","symbol":"ETH/USDT","bid":"2790","bid_size":"3","ask":"2810","ask_size":"3"}'
says 200
curl "$venue/orders" --json '{"symbol":"ETH/USDT","side":"buy","type":"market","quantity":"2"}'
says 201 '"status":"filled"' '"avg_price":"2810"'
curl "$venue/orders" --json '{"symbol":"ETH/USDT","side":"buy","type":"market","quantity":"2"}'
says 201 '"status":"expired"' '"code":"insufficient_liquidity"' '"cum_qty":"1"'
curl "$venue/orders" --json '{"symbol":"ETH/USDT","side":"buy","type":"limit","quantity":"5","price":"2800","client_order_id":"maker"}'
says 201 '"status":"open"'
curl "$venue/quotes" --json '{"exchange":"mine","symbol":"ETH/USDT","bid":"2780","bid_size":"3","ask":"2795","ask_size":"4"}'
says 200
curl "$venue/orders/by-client-id/maker"
says 200 '"status":"partially_filled"' '"cum_qty":"4"' '"avg_price":"2800"'
curl "$venue/trades/ETH-USDT?limit=1"
says 200 '"price":"2800","quantity":"4"' '"taker_side":"sell"'
curl -X DELETE "$venue/orders/by-client-id/maker"
says 200 '"status":"canceled"' '"cum_qty":"4"'
streams accepted filled accepted partial_fill expired accepted partial_fill canceled

chapter "A stop waits until the market reaches its trigger"
curl "$venue/quotes" --json '{"exchange":"mine","symbol":"ETH/USDT","bid":"2790","bid_size":"9","ask":"2810","ask_size":"9"}'
curl "$venue/orders" --json '{"symbol":"ETH/USDT","side":"sell","type":"stop_loss","quantity":"2","trigger_price":"2700","client_order_id":"stop"}'
says 201 '"status":"untriggered"'
curl "$venue/orders" --json '{"symbol":"ETH/USDT","side":"sell","type":"stop_limit","quantity":"2","trigger_price":"2700","price":"2695","client_order_id":"stop-limit"}'
says 201 '"status":"untriggered"'
curl "$venue/quotes" --json '{"exchange":"mine","symbol":"ETH/USDT","bid":"2690","bid_size":"9","ask":"2692","ask_size":"9"}'
curl "$venue/orders/by-client-id/stop"
says 200 '"status":"filled"' '"avg_price":"2690"'
curl "$venue/orders/by-client-id/stop-limit"
says 200 '"status":"open"' '"price":"2695"'
curl -X DELETE "$venue/orders?symbol=ETH-USDT"
says 200 '"canceled":1'
streams accepted accepted triggered filled triggered canceled

chapter "How long an order works: IOC, FOK, post-only, GTD"
curl "$venue/quotes" --json '{"exchange":"mine","symbol":"ETH/USDT","bid":"2790","bid_size":"3","ask":"2810","ask_size":"3"}'
curl "$venue/orders" --json '{"symbol":"ETH/USDT","side":"buy","type":"limit","quantity":"5","price":"2810","time_in_force":"fok"}'
says 201 '"status":"expired"' '"cum_qty":"0"' '"code":"insufficient_liquidity"'
curl "$venue/orders" --json '{"symbol":"ETH/USDT","side":"buy","type":"limit","quantity":"5","price":"2810","time_in_force":"ioc"}'
says 201 '"status":"expired"' '"cum_qty":"3"'
curl "$venue/orders" --json '{"symbol":"ETH/USDT","side":"sell","type":"limit","quantity":"1","price":"2780","post_only":true}'
says 422 '"code":"would_take"'
curl "$venue/orders" --json "{\"symbol\":\"ETH/USDT\",\"side\":\"buy\",\"type\":\"limit\",\"quantity\":\"1\",\"price\":\"2700\",
    \"time_in_force\":\"gtd\",\"expire_at\":\"$(date --utc --date '3 seconds' +%FT%TZ)\",\"client_order_id\":\"until\"}"
says 201 '"status":"open"'
until_says '"status":"expired"' "$venue/orders/by-client-id/until"
says 200 '"code":"time_in_force"'
streams accepted expired accepted partial_fill expired rejected accepted expired

chapter "An account that would trade with itself says what happens instead"
curl "$venue/quotes" --json '{"exchange":"mine","symbol":"ETH/USDT","bid":"2700","bid_size":"9","ask":"2900","ask_size":"9"}'
own() { curl "$venue/orders" --json "{\"symbol\":\"ETH/USDT\",\"side\":\"$1\",\"type\":\"limit\",\"quantity\":\"$2\",\"price\":\"2800\",\"stp\":\"$3\"}"; }
own buy 3 none
streams accepted
own sell 1 decrement
says 201 '"status":"canceled"' '"code":"self_trade"'
streams accepted trade_prevented trade_prevented canceled
own sell 1 cancel_newest
says 201 '"status":"canceled"' '"code":"self_trade"'
streams accepted trade_prevented canceled
own sell 1 cancel_oldest
says 201 '"status":"open"'
streams accepted trade_prevented canceled
own buy 1 cancel_both
says 201 '"status":"canceled"'
streams accepted trade_prevented trade_prevented canceled canceled

chapter "What the venue refuses has a code, takes nothing, and is on the stream too"
refused() { local code=$1; curl "$venue/orders" --json "$2"; says 422 "\"code\":\"$code\"" '"outcome":"not_accepted"'; }
refused unknown_symbol '{"symbol":"DOGE/USDT","side":"buy","type":"market","quantity":"1"}'
refused tick_size '{"symbol":"ETH/USDT","side":"buy","type":"limit","quantity":"1","price":"2700.001"}'
refused lot_size '{"symbol":"ETH/USDT","side":"buy","type":"market","quantity":"0.055"}'
refused min_quantity '{"symbol":"ETH/USDT","side":"buy","type":"market","quantity":"0.04"}'
refused max_quantity '{"symbol":"ETH/USDT","side":"buy","type":"market","quantity":"100.01"}'
refused min_notional '{"symbol":"ETH/USDT","side":"buy","type":"limit","quantity":"0.05","price":"2700"}'
refused price_band '{"symbol":"ETH/USDT","side":"buy","type":"limit","quantity":"1","price":"2000"}'
refused price_not_reached '{"symbol":"SOL/USDT","side":"buy","type":"limit","quantity":"1","price":"149"}'
says 422 'Price 150 did not reach limit 149'
refused stop_not_triggered '{"symbol":"SOL/USDT","side":"sell","type":"stop_loss","quantity":"1","trigger_price":"140"}'
refused insufficient_balance '{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"1000000"}'
streams rejected rejected rejected rejected rejected rejected rejected rejected rejected rejected

chapter "What cannot be an order at all never gets a number: every fault is named"
curl "$venue/orders" --json '{"symbol":"BTC/USDT","side":"hold","type":"limit","quantity":"0"}'
says 422 '"code":"invalid"' '"field":"side"' '"field":"quantity"' '"field":"price"'
curl "$venue/orders" --json '{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"1","colour":"red"}'
says 400 '"code":"invalid_request"' 'colour'
curl "$venue/orders/validate" --json '{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"1"}'
says 200 '"valid":true'
curl "$venue/orders/validate" --json '{"symbol":"DOGE/USDT","side":"buy","type":"market","quantity":"1"}'
says 422 '"code":"unknown_symbol"'
streams

chapter "Many at once: a batch, cancel all, and a dead man's switch"
curl "$venue/orders/batch" --json '[
    {"symbol":"BTC/USDT","side":"buy","type":"limit","quantity":"1","price":"40000"},
    {"symbol":"BTC/USDT","side":"sell","type":"limit","quantity":"1","price":"44000"},
    {"symbol":"DOGE/USDT","side":"sell","type":"market","quantity":"1"}]'
says 200 '"status":"open"' '"code":"unknown_symbol"'
curl -X DELETE "$venue/orders?symbol=BTC-USDT&side=buy"
says 200 '"canceled":1'
bid='{"symbol":"ETH/USDT","side":"buy","type":"limit","quantity":"1","price":"2700"}'
curl "$venue/orders/batch" --json "[$bid,$bid,$bid]"
says 200 '"status":"open"' '"code":"max_open_orders"'
curl "$venue/orders/cancel-after" --json '{"timeout_ms":200}'
says 200 '"timeout_ms":200'
until_says '[]' "$venue/orders?status=open"
streams accepted accepted rejected canceled accepted accepted rejected canceled canceled canceled

chapter "The account, the queue, and the stream as server-sent events, from any number on"
curl "$venue/account"
says 200 '"open_orders":0' '"held":"0"'
curl "$venue/queue"
says 200 '"orders":{' '"dropped":0'
{ read -r id && read -r execution; } < <(command curl --silent --no-buffer --max-time 5 "$venue/executions/stream" -H 'Last-Event-ID: 0')
answer="$id $execution"
[[ $answer == 'id: 1 data: {"channel":"executions","seq":1,'*'"type":"accepted"'* ]] || fail "the first event"
printf 'all of it is so\n'
