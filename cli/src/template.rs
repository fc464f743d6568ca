//! `--format`: Go's text/template, as people know it from Docker.
//!
//! The language is the crate `gotmpl`'s; here are the functions that Docker's command line adds, and errors of one line.
//! A field that is not there is an error, not `<no value>`: in a script the latter is a name like any other.

use anyhow::anyhow;
use gotmpl::{MissingKey, Template, TemplateError, Value};
use serde::Serialize;
use serde_json::Value as Json;

/// A template that was understood.
pub(crate) struct Format {
    text: String,
    template: Template,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Format").field(&self.text).finish()
    }
}

impl Format {
    /// Reads a template. `\t` and `\n` stand for a tab and the end of a line, which a shell does not know.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let source = text.replace("\\t", "\t").replace("\\n", "\n");
        let template = Template::new("format")
            .missing_key(MissingKey::Error)
            .func("json", |arguments| {
                let text = arguments.first().map(|value| json(value).to_string());
                Ok(text.unwrap_or_default().into_value())
            })
            .func("lower", |arguments| {
                Ok(word(arguments, 0).to_lowercase().into_value())
            })
            .func("upper", |arguments| {
                Ok(word(arguments, 0).to_uppercase().into_value())
            })
            .func("join", join)
            .func("split", |arguments| {
                let (text, separator) = (word(arguments, 0), word(arguments, 1));
                let parts = text.split(separator.as_str());
                Ok(Value::List(
                    parts.map(|part| part.to_owned().into_value()).collect(),
                ))
            })
            .parse(&source);
        match template {
            Ok(template) => Ok(Self {
                text: text.to_owned(),
                template,
            }),
            Err(error) => Err(anyhow!(
                "--format {text:?}: {error}; see Go's text/template"
            )),
        }
    }

    /// What it makes of an object.
    pub(crate) fn apply(&self, object: &impl Serialize) -> anyhow::Result<String> {
        let object = gotmpl::to_value(object).map_err(|error| anyhow!("--format: {error}"))?;
        let made = self.template.execute_to_string(&object);
        made.map_err(|error| self.explained(&error, &object))
    }

    fn explained(&self, error: &TemplateError, object: &Value) -> anyhow::Error {
        let text = &self.text;
        let fields: Vec<&str> = match object {
            Value::Map(fields) => fields.keys().map(AsRef::as_ref).collect(),
            _ => Vec::new(),
        };
        let fields = fields.join(", ");
        match error {
            TemplateError::MissingKey { key, .. } => {
                anyhow!("--format {text:?}: no field {key}; the fields are {fields}")
            }
            error => anyhow!("--format {text:?}: {error}; the fields are {fields}"),
        }
    }
}

/// A string as a value of a template.
trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::String(self.into())
    }
}

fn word(arguments: &[Value], position: usize) -> String {
    arguments
        .get(position)
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// `join LIST SEPARATOR`, as Docker has it.
fn join(arguments: &[Value]) -> Result<Value, TemplateError> {
    let Some(Value::List(parts)) = arguments.first() else {
        return Err(TemplateError::Exec(
            "join needs a list and a separator".to_owned(),
        ));
    };
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    Ok(parts.join(&word(arguments, 1)).into_value())
}

/// A value as JSON.
fn json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::String(value) => value.as_ref().into(),
        Value::List(values) => values.iter().map(json).collect(),
        Value::Map(fields) => (fields.iter())
            .map(|(key, value)| (key.to_string(), json(value)))
            .collect(),
        // Nothing of ours is a function.
        Value::Nil | Value::Function(_) => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn network() -> Json {
        json!({
            "Name": "lan", "Id": "0123", "Internal": false,
            "IPAM": { "Driver": "default", "Config": [ { "Subnet": "198.18.0.0/24" } ] },
            "Containers": {
                "1": { "Name": "a" },
                "2": { "Name": "b" }
            },
            "Labels": { "team": "blue" }
        })
    }

    fn made(text: &str) -> anyhow::Result<String> {
        Format::parse(text)?.apply(&network())
    }

    #[test]
    fn what_people_write_works() {
        for (text, expected) in [
            ("{{.Name}}", "lan"),
            ("{{.Id}}\\t{{.Internal}}", "0123\tfalse"),
            ("{{json .IPAM.Config}}", r#"[{"Subnet":"198.18.0.0/24"}]"#),
            ("{{(index .IPAM.Config 0).Subnet}}", "198.18.0.0/24"),
            ("{{range .IPAM.Config}}{{.Subnet}}{{end}}", "198.18.0.0/24"),
            ("{{range .Containers}}{{.Name}} {{end}}", "a b "),
            (
                "{{range $id, $c := .Containers}}{{$id}}={{$c.Name}};{{end}}",
                "1=a;2=b;",
            ),
            ("{{len .Containers}}", "2"),
            ("{{.Labels.team}} {{index .Labels \"team\"}}", "blue blue"),
            ("{{upper .Name}}{{lower \"X\"}}", "LANx"),
            ("{{join (split \"a,b\" \",\") \"-\"}}", "a-b"),
            ("{{if .Internal}}in{{else}}out{{end}}", "out"),
            ("{{.Labels}}", "map[team:blue]"),
        ] {
            assert_eq!(made(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line() {
        let told = |text: &str| {
            let line = made(text).expect_err(text).to_string();
            assert_eq!(line.lines().count(), 1, "{line}");
            line
        };
        let line = told("{{.Nmae}}");
        for word in ["Nmae", "Containers, IPAM, Id, Internal, Labels, Name"] {
            assert!(line.contains(word), "{line}");
        }
        for text in [
            "{{",
            "{{.Name",
            "{{nothing .Name}}",
            "{{join .Name \"x\"}}",
            "{{index .IPAM.Config 7}}",
        ] {
            assert!(told(text).starts_with("--format "), "{text}");
        }
    }
}
