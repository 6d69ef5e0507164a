//! Oracles: questions about one argument that Datalog cannot answer.
