//! Whatever is said as a message of MCP, by a caller or by a server: reading it does not panic, what is
//! cut out of it is gone, and what reads along with it sees no other message than what reads it whole.

#![no_main]

use hardtack::mcp::{
    Aim, Era, Id, ListKind, Message, Reply, ScanOne, Scanned, Splice, aim, asked, narrow,
};
use hardtack::model::JsonProfile;
use libfuzzer_sys::fuzz_target;

const PROFILE: JsonProfile = JsonProfile::Interoperable;

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = Message::parse(data.to_vec(), PROFILE) {
        of_a_caller(&message);
    }
    of_a_server(data);
});

fn of_a_caller(message: &Message) {
    let again = Message::parse(message.bytes().to_vec(), PROFILE).expect("a message");
    assert_eq!((again.method(), again.id()), (message.method(), message.id()));
    let decided = asked("s", message, PROFILE);
    let mut splice = Splice::new();
    message.take_credentials(&mut splice);
    let rest = splice.apply(message.bytes()).expect("places of its own");
    let rest = Message::parse(rest, PROFILE).expect("what is left is a message");
    assert!(!rest.has_credentials());
    assert_eq!(asked("s", &rest, PROFILE), decided, "what is judged is what goes up");
    if let Aim::Server { splice, .. } = aim(message)
        && let Some(own) = splice.apply(message.bytes())
        && let Ok(own) = Message::parse(own, PROFILE)
    {
        assert_eq!((own.method(), own.id()), (message.method(), message.id()));
    }
}

fn of_a_server(data: &[u8]) {
    let mut scan = ScanOne::default();
    data.chunks(7).for_each(|part| scan.read(part));
    let scanned = scan.end();
    let Ok(reply) = Reply::read(data) else { return };
    let id = reply.place("id").and_then(|place| Id::from_text(reply.at(place)));
    let answers = reply.place("result").is_some() || reply.place("error").is_some();
    match scanned {
        Scanned::Answers(seen) => assert!(answers && (seen.is_none() || seen == id)),
        Scanned::Asks(seen, method) => {
            assert!(!answers && (seen.is_none() || seen == id));
            assert_eq!(Some(method), reply.text("method"));
        }
        Scanned::Blank => panic!("there is a message"),
        Scanned::Unclear => {}
    }
    for kind in ListKind::ALL {
        let Ok(left) = narrow(data, Some(*kind), Era::Modern, None, |_| false) else { continue };
        assert!(Reply::read(&left).is_ok());
        let again = narrow(&left, Some(*kind), Era::Modern, None, |_| panic!("nothing stays"));
        assert_eq!(again.expect("a list"), left);
    }
}
