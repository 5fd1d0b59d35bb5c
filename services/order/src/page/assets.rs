//! The page's files, in the binary.
//!
//! Promises: the browser runs no script, loads no style and talks to nobody but what comes from this
//! server; and it refuses to make HTML of a text, whatever an order says.

use axum::{
    Router,
    http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
    response::{IntoResponse, Response},
    routing::get,
};

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const ICON: &str = "image/svg+xml";

const FILES: [(&str, &str, &str); 10] = [
    ("/", HTML, include_str!("assets/index.html")),
    ("/page/icon.svg", ICON, include_str!("assets/icon.svg")),
    ("/page/style.css", STYLE, include_str!("assets/style.css")),
    ("/page/main.js", SCRIPT, include_str!("assets/main.js")),
    ("/page/dom.js", SCRIPT, include_str!("assets/dom.js")),
    ("/page/form.js", SCRIPT, include_str!("assets/form.js")),
    ("/page/gateway.js", SCRIPT, include_str!("assets/gateway.js")),
    ("/page/lists.js", SCRIPT, include_str!("assets/lists.js")),
    ("/page/live.js", SCRIPT, include_str!("assets/live.js")),
    ("/page/story.js", SCRIPT, include_str!("assets/story.js")),
];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

pub(super) fn router() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(async move || file(kind, text)))
    })
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // After an update of the service no old script meets a new page.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `src`, `href`, `from` and `url(` name.
    fn named(text: &str) -> Vec<&str> {
        let mut named = Vec::new();
        for mark in ["src=\"", "href=\"", "from \"", "url("] {
            for (at, _) in text.match_indices(mark) {
                let rest = &text[at + mark.len()..];
                named.push(&rest[..rest.find(['"', ')']).unwrap()]);
            }
        }
        named
    }

    #[test]
    fn page_needs_nothing_but_the_files_that_are_served() {
        for (path, _, text) in FILES {
            for name in named(text) {
                let served = name.replacen("./", "/page/", 1);
                let is_served = FILES.iter().any(|(path, _, _)| *path == served);
                assert!(is_served || name.starts_with('#'), "{path} names {name}");
            }
        }
    }

    #[test]
    fn no_script_makes_html_of_a_text_and_no_markup_has_a_script_or_style_in_it() {
        for (path, _, text) in FILES {
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"]
            {
                assert!(!text.contains(word), "{path}: {word}");
            }
            if path == "/" {
                assert!(!text.contains("<style") && !text.contains(" style="), "{path}");
                assert!(!text.contains(" onclick="), "{path}");
                assert_eq!(text.matches("<script").count(), 1, "{path}");
            }
        }
    }
}
