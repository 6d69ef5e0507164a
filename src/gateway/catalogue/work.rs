//! How much work it is to check arguments against a schema, found out before it is done.

use serde_json::{Map, Value};

/// How many steps checking one call's arguments may take. A step is one part of a schema beside one
/// value, or some bytes of a text beside a pattern.
pub(super) const STEPS_MAX: usize = 50_000;
/// How deep parts of a schema may lie in one another, references followed.
const DEPTH_MAX: usize = 128;
/// Bytes that a pattern is held against in one step.
const PATTERN_BYTES: usize = 16;

/// References whose aim depends on more than the schema's own text.
const UNUSABLE: &[&str] = &["$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$recursiveAnchor"];
/// Members that hold one schema for the very value.
const HERE: &[&str] = &["not", "if", "then", "else"];
/// Members that hold several of them.
const ALL_HERE: &[&str] = &["allOf", "anyOf", "oneOf"];
/// Members that hold several of them by name, each for the very value.
const NAMED_HERE: &[&str] = &["dependentSchemas", "dependencies"];

/// Counts what a validator would do that skips nothing.
pub(super) struct Steps<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Steps<'a> {
    /// A count for one call.
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, left: STEPS_MAX }
    }

    /// Whether checking this value takes no more steps than it may.
    pub(super) fn suffice(mut self, value: &Value) -> bool {
        self.schema(self.root, value, 0).is_some()
    }

    fn take(&mut self, steps: usize) -> Option<()> {
        self.left = self.left.checked_sub(steps)?;
        Some(())
    }

    /// None where there are not enough steps.
    fn schema(&mut self, schema: &'a Value, value: &Value, depth: usize) -> Option<()> {
        self.take(1)?;
        let Value::Object(members) = schema else { return Some(()) };
        if depth > DEPTH_MAX {
            return None;
        }
        let (before, depth) = (self.left, depth + 1);
        self.take(members.len())?;
        self.here(members, value, depth)?;
        match value {
            Value::Object(fields) => self.fields(members, fields, depth)?,
            Value::Array(items) => self.items(members, items, depth)?,
            Value::String(text) => self.text(members, text)?,
            _ => {}
        }
        if members.keys().any(|name| name.starts_with("unevaluated")) {
            // What was evaluated is found out anew for each part of the value.
            let spent = before.saturating_sub(self.left);
            self.take(spent.saturating_mul(size(value)))?;
        }
        Some(())
    }

    /// What is asked of the very value.
    fn here(&mut self, members: &'a Map<String, Value>, value: &Value, depth: usize) -> Option<()> {
        for name in HERE {
            if let Some(schema) = members.get(*name) {
                self.schema(schema, value, depth)?;
            }
        }
        for name in ALL_HERE {
            for schema in members.get(*name).and_then(Value::as_array).into_iter().flatten() {
                self.schema(schema, value, depth)?;
            }
        }
        for name in NAMED_HERE {
            for (_, schema) in members.get(*name).and_then(Value::as_object).into_iter().flatten() {
                self.schema(schema, value, depth)?;
            }
        }
        if let Some(values) = members.get("enum").and_then(Value::as_array) {
            self.take(values.len())?;
        }
        match members.get("$ref").and_then(Value::as_str) {
            Some(aim) => {
                let part = aim.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
                self.schema(part?, value, depth)
            }
            None => Some(()),
        }
    }

    fn fields(
        &mut self,
        members: &'a Map<String, Value>,
        fields: &Map<String, Value>,
        depth: usize,
    ) -> Option<()> {
        let object = |name: &str| members.get(name).and_then(Value::as_object);
        for (name, value) in fields {
            self.take(1)?;
            if let Some(schema) = object("properties").and_then(|known| known.get(name)) {
                self.schema(schema, value, depth)?;
            }
            for (_, schema) in object("patternProperties").into_iter().flatten() {
                self.take(1 + name.len() / PATTERN_BYTES)?;
                self.schema(schema, value, depth)?;
            }
            for rest in ["additionalProperties", "unevaluatedProperties"] {
                if let Some(schema) = members.get(rest) {
                    self.schema(schema, value, depth)?;
                }
            }
            if let Some(schema) = members.get("propertyNames") {
                self.schema(schema, &Value::String(name.clone()), depth)?;
            }
        }
        Some(())
    }

    fn items(
        &mut self,
        members: &'a Map<String, Value>,
        items: &[Value],
        depth: usize,
    ) -> Option<()> {
        if members.contains_key("uniqueItems") {
            self.take(items.len().saturating_mul(4))?;
        }
        for name in ["items", "contains", "additionalItems", "unevaluatedItems", "prefixItems"] {
            match members.get(name) {
                Some(Value::Array(schemas)) => {
                    for (schema, item) in schemas.iter().zip(items) {
                        self.schema(schema, item, depth)?;
                    }
                }
                Some(schema) => {
                    for item in items {
                        self.schema(schema, item, depth)?;
                    }
                }
                None => {}
            }
        }
        Some(())
    }

    fn text(&mut self, members: &Map<String, Value>, text: &str) -> Option<()> {
        let reads = ["pattern", "format", "minLength", "maxLength"];
        let times = reads.iter().filter(|name| members.contains_key(**name)).count();
        self.take(times.saturating_mul(1 + text.len() / PATTERN_BYTES))
    }
}

/// Of how many parts a value is.
fn size(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.len(),
        Value::Array(items) => items.len(),
        _ => 1,
    }
}

/// Whether all references of a schema can be followed within it.
///
/// *Errors*: a sentence.
pub(super) fn references(schema: &Value) -> Result<(), String> {
    let mut rest = vec![(schema, true)];
    while let Some((part, is_root)) = rest.pop() {
        match part {
            Value::Object(members) => {
                if let Some(name) = UNUSABLE.iter().find(|name| members.contains_key(**name)) {
                    return Err(format!("has a schema with `{name}`, which is not followed"));
                }
                if !is_root && members.get("$id").is_some_and(Value::is_string) {
                    return Err(
                        "has a schema within its schema that has a name of its own".to_owned()
                    );
                }
                if let Some(aim) = members.get("$ref").and_then(Value::as_str)
                    && aim.strip_prefix('#').and_then(|pointer| schema.pointer(pointer)).is_none()
                {
                    return Err("has a schema with a reference that leads out of it".to_owned());
                }
                rest.extend(members.values().map(|part| (part, false)));
            }
            Value::Array(parts) => rest.extend(parts.iter().map(|part| (part, false))),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn suffices(schema: &Value, value: &Value) -> bool {
        references(schema).unwrap();
        Steps::new(schema).suffice(value)
    }

    #[test]
    fn what_grows_with_each_level_is_not_done() {
        let filter = json!({
            "type": "object",
            "properties": { "where": { "$ref": "#/$defs/filter" } },
            "$defs": { "filter": { "anyOf": [
                { "properties": { "and": { "items": { "$ref": "#/$defs/filter" } } } },
                { "properties": { "and": { "items": { "$ref": "#/$defs/filter" } }, "or": {} } },
                { "properties": { "and": { "items": { "$ref": "#/$defs/filter" } }, "not": {} } },
            ] } },
        });
        let nested = |depth: usize| {
            let inner = (0..depth).fold(json!({ "leaf": 1 }), |inner, _| json!({ "and": [inner] }));
            json!({ "where": inner })
        };
        assert!(suffices(&filter, &nested(4)));
        assert!(!suffices(&filter, &nested(12)));
    }

    #[test]
    fn what_doubles_with_each_reference_is_not_done() {
        let mut parts = Map::new();
        for level in 0..30 {
            let next = format!("#/$defs/{}", level + 1);
            parts.insert(
                level.to_string(),
                json!({ "allOf": [{ "$ref": next }, { "$ref": next }] }),
            );
        }
        parts.insert("30".to_owned(), json!({ "type": "object" }));
        let doubled = json!({ "$ref": "#/$defs/0", "$defs": parts });
        assert!(!suffices(&doubled, &json!({})));
        let endless = json!({ "$ref": "#" });
        assert!(!suffices(&endless, &json!({})));
    }

    #[test]
    fn honest_arguments_are_checked() {
        let schema = json!({
            "type": "object",
            "properties": {
                "rows": { "type": "array", "uniqueItems": true, "items": {
                    "type": "object",
                    "properties": { "id": { "type": "integer" }, "name": { "pattern": "^[a-z]+$" } },
                    "required": ["id"],
                    "additionalProperties": false,
                } },
                "kind": { "enum": ["a", "b"] },
            },
            "unevaluatedProperties": false,
        });
        let row = |id| json!({ "id": id, "name": "abcdefgh" });
        let rows: Vec<_> = (0..500).map(row).collect();
        assert!(suffices(&schema, &json!({ "rows": rows, "kind": "a" })));
        let rows: Vec<_> = (0..50_000).map(row).collect();
        assert!(!suffices(&schema, &json!({ "rows": rows })));
        let text = json!({ "kind": "a".repeat(4_000_000) });
        assert!(!suffices(&json!({ "properties": { "kind": { "pattern": "a+b" } } }), &text));
    }

    #[test]
    fn references_lead_to_parts_of_the_schema() {
        for schema in [
            json!({ "$ref": "https://example.com/schema" }),
            json!({ "$ref": "#/$defs/none" }),
            json!({ "$ref": "#anchor" }),
            json!({ "items": { "$dynamicRef": "#x" } }),
            json!({ "items": { "$id": "https://example.com/x", "$ref": "#" } }),
        ] {
            assert!(references(&schema).is_err(), "{schema}");
        }
        let named = json!({ "$id": "https://example.com/x", "items": { "$ref": "#" } });
        assert_eq!(references(&named), Ok(()));
        assert_eq!(references(&json!({ "properties": { "$ref": { "type": "string" } } })), Ok(()));
    }
}
