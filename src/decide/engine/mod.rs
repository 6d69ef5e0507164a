//! The bounded Datalog engine.
