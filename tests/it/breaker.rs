//! Ways in which a stranger, a holder or a caller once broke a promise.

use hardtack::decide::Decision;
use hardtack::model::Request;
use hardtack::token::UnverifiedToken;
use hardtack::vocabulary::grant::grants_from_json;

use crate::support::*;

fn any() -> UnverifiedToken {
    token(r#"[{"tool": "x/y"}]"#)
}

fn with(datalog: &str, request: &Request) -> Decision {
    judge_bytes(appended(&any(), datalog), request)
}

#[test]
fn classes_of_characters_are_bounded_before_they_are_worked_out() {
    let call = request("x/y", "{}");
    let wide = [r"\\pL".repeat(60), r"\\w".repeat(100), "Ā-￿".repeat(35)];
    for class in wide {
        for flags in ["", "(?i)"] {
            let regexes =
                (0..16).map(|i| format!("check if \"x\".matches(\"{flags}[{class}{i}]\");"));
            let decision = with(&regexes.collect::<String>(), &call);
            let reason = &decision.reasons()[0];
            assert!(reason.message.contains("too many classes"), "{class}: {reason}");
        }
        let grant =
            format!(r#"[{{"tool": "x/y", "args": {{"a": {{"matches": "(?i)[{class}]"}}}}}}]"#);
        let error = grants_from_json(grant.as_bytes()).unwrap_err();
        assert!(error.why.contains("more classes"), "{error}");
    }
    let honest = r"(?i)^[a-z0-9-]+@[a-z0-9-]+\\.[a-z]{2,}$";
    let honest =
        format!("check if !\"x\".matches(\"{honest}\"), !\"x\".matches(\"\\\\d{{4}}-\\\\d{{2}}\")");
    assert_eq!(code(&with(&honest, &call)), "allow");
}
