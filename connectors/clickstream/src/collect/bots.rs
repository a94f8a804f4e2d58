use aho_corasick::{AhoCorasick, BuildError};
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;

/// What crawlers and monitors that say so have in `User-Agent`. Libraries such as curl's are none of them, because servers
/// send events with them, nor are automated browsers, which tests use.
pub(super) const DEFAULT: &str = "bot/,bot;,bot),bot-,googlebot,bingbot,yandexbot,applebot,crawler,spider,slurp,\
    facebookexternalhit,lighthouse,pingdom,uptimerobot,statuscake,google-read-aloud,bytespider,archiver";

/// Recognises programs that are no visitors by their `User-Agent`.
#[derive(Clone, Debug)]
pub(super) struct Bots(Option<AhoCorasick>);

impl Bots {
    /// By any of these parts, in upper or lower case.
    pub(super) fn new(parts: &[String]) -> Result<Self, BuildError> {
        if parts.is_empty() {
            return Ok(Self(None));
        }
        AhoCorasick::builder().ascii_case_insensitive(true).build(parts).map(Some).map(Self)
    }

    pub(super) fn is_bot(&self, headers: &HeaderMap) -> bool {
        let Some(parts) = &self.0 else { return false };
        headers.get(USER_AGENT).is_some_and(|agent| parts.is_match(agent.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_bot(agent: &str) -> bool {
        let parts: Vec<String> = DEFAULT.split(',').map(|part| part.trim().to_owned()).collect();
        let headers = HeaderMap::from_iter([(USER_AGENT, agent.parse().unwrap())]);
        Bots::new(&parts).unwrap().is_bot(&headers)
    }

    #[test]
    fn crawlers_that_say_so_are_recognised_and_visitors_are_not() {
        for bot in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            "Mozilla/5.0 (compatible; YandexBot/3.0)",
            "facebookexternalhit/1.1",
            "Mozilla/5.0 AppleWebKit/537.36 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "Pingdom.com_bot_version_1.4",
        ] {
            assert!(is_bot(bot), "{bot}");
        }
        for visitor in [
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus Build/PPR1) AppleWebKit/537.36",
            "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/140.0.0.0 Safari/537.36",
            "curl/8.5.0",
            "",
        ] {
            assert!(!is_bot(visitor), "{visitor}");
        }
        assert!(!Bots::new(&[]).unwrap().is_bot(&HeaderMap::new()));
    }
}
