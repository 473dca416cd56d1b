//! Which route of the HTTP API takes a request.

use std::collections::BTreeMap;

use ::http::Method;
use percent_encoding::percent_decode_str;

use crate::spec::HttpRoute;

/// The HTTP API's routes.
#[derive(Debug)]
pub(super) struct Routes {
    /// Most specific first.
    routes: Vec<Route>,
    default: Option<String>,
}

#[derive(Debug)]
struct Route {
    /// `None` for `ANY`.
    method: Option<String>,
    segments: Vec<Segment>,
    key: String,
    function: String,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    Parameter(String),
    Greedy(String),
}

/// A route found for a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'r> {
    /// `GET /users/{id}` or `$default`.
    pub(super) key: &'r str,
    pub(super) function: &'r str,
    /// Decoded.
    pub(super) parameters: BTreeMap<String, String>,
}

impl Routes {
    pub(super) fn new(specs: &[HttpRoute]) -> Self {
        let default = specs.iter().find(|route| route.path == "$default");
        let mut routes: Vec<Route> =
            specs.iter().filter(|route| route.path != "$default").map(Route::new).collect();
        routes.sort_by(|a, b| {
            let by_kind =
                |route: &Route| route.segments.iter().map(Segment::rank).collect::<Vec<_>>();
            (by_kind(a), a.method.is_none()).cmp(&(by_kind(b), b.method.is_none()))
        });
        Self { routes, default: default.map(|route| route.function.clone()) }
    }

    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Found<'_>> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let found = self.routes.iter().find_map(|route| {
            let takes = route.method.as_deref().is_none_or(|m| m == method.as_str());
            let parameters = takes.then(|| route.parameters(&parts)).flatten()?;
            Some(Found { key: &route.key, function: &route.function, parameters })
        });
        found.or_else(|| {
            Some(Found {
                key: "$default",
                function: self.default.as_deref()?,
                parameters: BTreeMap::new(),
            })
        })
    }
}

impl Route {
    fn new(spec: &HttpRoute) -> Self {
        Self {
            method: (spec.method != "ANY").then(|| spec.method.clone()),
            segments: spec.path.trim_start_matches('/').split('/').map(Segment::new).collect(),
            key: format!("{} {}", spec.method, spec.path),
            function: spec.function.clone(),
        }
    }

    /// The path's parameters, if it is this route's.
    fn parameters(&self, parts: &[&str]) -> Option<BTreeMap<String, String>> {
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let mut parameters = BTreeMap::new();
        for (index, segment) in self.segments.iter().enumerate() {
            let part = parts.get(index)?;
            match segment {
                Segment::Literal(literal) if literal != part => return None,
                Segment::Literal(_) => {}
                Segment::Parameter(_) if part.is_empty() => return None,
                Segment::Parameter(name) => {
                    parameters.insert(name.clone(), decode(part));
                }
                Segment::Greedy(name) => {
                    parameters.insert(name.clone(), decode(&parts[index..].join("/")));
                    return Some(parameters);
                }
            }
        }
        (parts.len() == self.segments.len()).then_some(parameters)
    }
}

impl Segment {
    fn new(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            None => Self::Literal(text.to_owned()),
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Self::Greedy(name.to_owned()),
                None => Self::Parameter(name.to_owned()),
            },
        }
    }

    /// Lower comes first.
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Parameter(_) => 1,
            Self::Greedy(_) => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(table: &[(&str, &str)], method: Method, path: &str) -> Option<String> {
        let specs: Vec<HttpRoute> = table
            .iter()
            .map(|(method, path)| HttpRoute {
                method: (*method).to_owned(),
                path: (*path).to_owned(),
                function: "F".to_owned(),
            })
            .collect();
        Routes::new(&specs).find(&method, path).map(|found| found.key.to_owned())
    }

    #[test]
    fn the_most_specific_route_of_the_method_wins() {
        let table = [
            ("ANY", "/{proxy+}"),
            ("GET", "/users/{id}"),
            ("ANY", "/users/me"),
            ("GET", "/users/me"),
            ("POST", "/users/{id}/{rest+}"),
        ];
        for (method, path, expected) in [
            (Method::GET, "/users/me", "GET /users/me"),
            (Method::PUT, "/users/me", "ANY /users/me"),
            (Method::GET, "/users/7", "GET /users/{id}"),
            (Method::POST, "/users/7", "ANY /{proxy+}"),
            (Method::POST, "/users/7/a/b", "POST /users/{id}/{rest+}"),
            (Method::GET, "/", "ANY /{proxy+}"),
        ] {
            assert_eq!(key(&table, method, path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_no_route_takes_goes_to_the_default_if_there_is_one() {
        let get = [("GET", "/a")];
        assert_eq!(key(&get, Method::POST, "/a"), None);
        let with_default = [("GET", "/a"), ("ANY", "$default")];
        assert_eq!(key(&with_default, Method::POST, "/a").as_deref(), Some("$default"));
    }

    #[test]
    fn parameters_are_decoded() {
        let specs = [HttpRoute {
            method: "GET".to_owned(),
            path: "/a/{x}/{rest+}".to_owned(),
            function: "F".to_owned(),
        }];
        let routes = Routes::new(&specs);
        let found = routes.find(&Method::GET, "/a/b%20c/d/e").expect("matches");
        assert_eq!(found.parameters["x"], "b c");
        assert_eq!(found.parameters["rest"], "d/e");
    }
}
