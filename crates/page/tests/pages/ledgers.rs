//! A page says that everything is accounted for only if the ledger was read and adds up.

use crate::fixture::{LEDGER, Results, words};

const COUNTED: &str = "Every datagram and every delivery is counted here exactly once";

fn page(ledger: &str) -> String {
    let results = Results::run();
    results.file("ledger.csv", ledger);
    results.page()
}

#[test]
fn a_ledger_that_adds_up_accounts_for_everything() {
    let page = page(LEDGER);
    assert!(words(&page).contains(COUNTED));
    assert!(words(&page).contains("33\u{a0}duplicated = 1,017\u{a0}loss"));
    assert!(!words(&page).contains("does not add up"));
}

#[test]
fn what_does_not_add_up_is_named() {
    for (from, to, said) in [
        (
            "up,,out,received,19011",
            "up,,out,received,19010",
            "Datagrams to the server: 20,050 went in, but 20,049 came out.",
        ),
        (
            "down,,out,unexplained,0",
            "down,,out,unexplained,3",
            "Datagrams to the clients: 3 of 592,824 unexplained.",
        ),
        ("deliveries,,,out,unexplained,0\n", "", "Deliveries: not in ledger.csv."),
    ] {
        assert!(LEDGER.contains(from), "{from}");
        let page = page(&LEDGER.replacen(from, to, 1));
        assert!(!words(&page).contains(COUNTED), "{said}");
        assert!(words(&page).contains("The ledger does not add up"), "{said}");
        assert!(words(&page).contains(&format!("<li>✗ {said}</li>")), "{said}");
        assert_eq!(words(&page).matches("<li>✗").count(), 1, "{said}");
    }
}

#[test]
fn a_ledger_without_rows_accounts_for_nothing() {
    let head = LEDGER.lines().next().expect("it has a head");
    let page = page(&format!("{head}\n"));
    assert!(!words(&page).contains(COUNTED));
    assert_eq!(words(&page).matches("not in ledger.csv").count(), 3);
}

#[test]
fn a_ledger_of_zeros_does_not_divide_by_zero() {
    let page = page(
        "ledger,direction,group,side,term,count\n\
         deliveries,,,in,expected,0\n\
         deliveries,,,out,delivered,0\n\
         deliveries,,,out,unexplained,0\n",
    );
    assert!(words(&page).contains("There were none."));
    assert!(words(&page).contains("= 0\u{a0}unexplained"));
    assert!(!words(&page).contains("NaN"));
}
