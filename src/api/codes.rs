//! Every `code` that a problem of the API can have, beside those of refused orders ([`Code`]): a closed set, so that programs
//! can act on each.

use crate::domain::Code;

/// The codes, in the order of the alphabet. `unknown_symbol` is one of [`Code`]'s too.
pub(super) const CODES: [&str; 42] = [
    "batch_size",
    "body_timeout",
    "broken_body",
    "client_order_id_conflict",
    "client_order_id_needed",
    "foreign_origin",
    "gap",
    "history_behind",
    "idempotency_conflict",
    "idempotency_key",
    "in_flight",
    "internal",
    "invalid",
    "invalid_handshake",
    "invalid_json",
    "invalid_query",
    "invalid_request",
    "journal_failed",
    "method_not_allowed",
    "missing_scope",
    "not_a_source",
    "not_found",
    "other_account",
    "queue_full",
    "rate_limited",
    "rejected",
    "shutting_down",
    "timeout",
    "too_large",
    "too_many_connections",
    "too_many_subscriptions",
    "too_many_symbols",
    "unauthorized",
    "unchecked_account",
    "unknown_account",
    "unknown_channel",
    "unknown_op",
    "unknown_order",
    "unknown_symbol",
    "unsupported_media_type",
    "upgrade_required",
    "url_too_long",
];

/// Whether a problem may have this code.
pub(super) fn is_known(code: &str) -> bool {
    CODES.binary_search(&code).is_ok() || Code::parse(code).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_in_order_and_apart_from_those_of_orders() {
        assert!(CODES.is_sorted_by(|one, next| one < next));
        let shared: Vec<&str> = CODES.into_iter().filter(|code| Code::parse(code).is_some()).collect();
        assert_eq!(shared, ["unknown_symbol"]);
        assert!(is_known("halted") && is_known("gap") && !is_known("oops"));
    }
}
