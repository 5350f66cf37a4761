//! `[[domain]]`: domains with settings of their own.

use crate::config::Config;
use crate::host::Host;
use crate::table::table;

table! {
    /// A domain of this server with settings of its own; one that needs none may stand in `domains` alone. What is not
    /// said here is as for all. Its users, their passwords and their registrations are its own: each domain is the realm
    /// of its accounts; [domains.md](domains.md).
    pub struct Domain {
        /// The domain.
        name: Host, example "\"school.example\"";
        /// Other names of it: who is called or registers there is the user of the same name here.
        aliases: Vec<Host> = Vec::new(), because "most domains have one name",
            example "[\"old.school.example\"]";
        /// The shortest registration accepted, in seconds.
        expires_min_s: Option<u32> = None, within 1..=3_600, because "as [registrar] says", example "60";
        /// The registration of a phone that names no time, in seconds.
        expires_default_s: Option<u32> = None, within 1..=604_800, because "as [registrar] says", example "1800";
        /// The longest registration granted, in seconds.
        expires_max_s: Option<u32> = None, within 1..=604_800, because "as [registrar] says", example "3600";
        /// Phones one address-of-record may have at a time.
        bindings_per_aor_max: Option<usize> = None, within 1..=32, because "as [registrar] says", example "3";
        /// Whether requests from outside may reach its users without credentials. Users of other domains of this server
        /// always may: they have shown who they are.
        strangers_may_call_users: Option<bool> = None, because "as [access] says", example "false";
    }
}

impl Config {
    /// The domains of this server, each once: those of `domains`, then those of `[[domain]]`.
    pub fn all_domains(&self) -> impl Iterator<Item = &Host> {
        let own = self.domain.iter().map(|domain| &domain.name);
        self.domains.iter().chain(own.filter(|name| !self.domains.contains(name)))
    }
}

impl Domain {
    /// The limits of registrations: shortest, default, longest, in seconds. What is not written gives way to what is.
    pub fn expires_s(&self, config: &Config) -> (u32, u32, u32) {
        let all = &config.registrar;
        let written = [self.expires_min_s, self.expires_default_s].into_iter().flatten();
        let max = self.expires_max_s.unwrap_or(written.fold(all.expires_max_s, u32::max));
        let upper = self.expires_default_s.unwrap_or(max);
        let min = self.expires_min_s.unwrap_or(all.expires_min_s.min(upper));
        let default = self.expires_default_s.unwrap_or(all.expires_default_s.clamp(min.min(max), max));
        (min, default, max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(keys: &str) -> Result<(u32, u32, u32), String> {
        let text = format!("[[domain]]\nname = \"a.example\"\n{keys}");
        let config = Config::parse(&text, "file").map_err(|error| error.to_string())?;
        Ok(config.domain[0].expires_s(&config))
    }

    #[test]
    fn one_limit_is_enough() {
        assert_eq!(limits(""), Ok((60, 3_600, 7_200)));
        assert_eq!(limits("expires_max_s = 1800"), Ok((60, 1_800, 1_800)));
        assert_eq!(limits("expires_max_s = 30"), Ok((30, 30, 30)));
        assert_eq!(limits("expires_min_s = 3600\nexpires_default_s = 90000"), Ok((3_600, 90_000, 90_000)));
        assert_eq!(limits("expires_default_s = 20"), Ok((20, 20, 7_200)));
        let wrong = limits("expires_min_s = 100\nexpires_max_s = 50");
        assert!(wrong.as_ref().is_err_and(|said| said.contains("must not be above")), "{wrong:?}");
    }

    #[test]
    fn a_name_means_one_domain() {
        for other in [
            "aliases = [\"a.example\", \"b.example\", \"B.example\"]",
            "aliases = [\"b.example\"]\n[[domain]]\nname = \"b.example\"",
            "aliases = [\"b.example\"]\n[[domain]]\nname = \"c.example\"\naliases = [\"b.example\"]",
            "[[domain]]\nname = \"a.example\"",
        ] {
            let said = limits(other);
            assert!(said.as_ref().is_err_and(|said| said.contains("twice")), "{other}: {said:?}");
        }
    }
}
