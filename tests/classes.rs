//! `classes!`: names, indices and rules follow the variants that exist.

use floodwall::{Class, Floodwall, Share};

floodwall::classes! {
    /// The removed variants would be the first, the third and the last one.
    #[derive(PartialOrd, Ord, Default)]
    enum WithCfg {
        #[cfg(any())]
        Batch,
        Message,
        #[cfg(any())]
        #[doc = "the name is removed with the variant"]
        Report = "report",
        /// Attributes are kept.
        #[default]
        #[cfg(all())]
        Login = "background login",
        #[cfg(any())]
        Probe,
    }
}

#[test]
fn names_and_indices_skip_removed_variants() {
    assert_eq!(WithCfg::NAMES, ["Message", "background login"]);
    assert_eq!([WithCfg::Message.index(), WithCfg::Login.index()], [0, 1]);
}

#[test]
fn classes_are_listed_and_displayed_by_name() {
    assert_eq!(WithCfg::ALL, [WithCfg::Message, WithCfg::Login]);
    assert_eq!(
        WithCfg::ALL.iter().map(|c| c.index()).collect::<Vec<_>>(),
        [0, 1]
    );
    assert_eq!(WithCfg::Login.name(), "background login");
    assert_eq!(WithCfg::Login.to_string(), "background login");
    assert_eq!(
        format!("{:>8}|{:<8}|", WithCfg::Message, WithCfg::Message),
        " Message|Message |"
    );
}

#[test]
fn rules_are_those_of_the_variant_after_a_removed_one() {
    let wall = Floodwall::new(
        100,
        &[
            WithCfg::Login.rule(Share::at_most(1)),
            WithCfg::Message.rule(Share::at_most(20)),
        ],
    );
    let _permit = wall.admit(WithCfg::Login).unwrap();
    let rejection = wall.admit(WithCfg::Login).unwrap_err();
    assert_eq!(rejection.class, "background login");
    assert_eq!(wall.rules().share(WithCfg::Message), Share::at_most(20));
    assert_eq!(wall.in_use(WithCfg::Message), 0);
}

#[test]
fn other_derives_and_their_attributes_are_kept() {
    assert_eq!(WithCfg::default(), WithCfg::Login);
    assert!(WithCfg::Message < WithCfg::Login);
}

floodwall::classes! {
    #[cfg(any())]
    enum Absent { Message }
}

/// Does not compile if the macro leaves something of the removed enum.
struct Absent;

#[test]
fn removed_enum_leaves_nothing() {
    let Absent = Absent;
}

floodwall::classes! {
    #[cfg(all())]
    enum Present { Message }
}

#[test]
fn enum_whose_condition_holds_exists() {
    assert_eq!(Present::NAMES[Present::Message.index()], "Message");
}

#[test]
fn raw_identifier_has_the_name_without_prefix() {
    floodwall::classes! {
        #[allow(non_camel_case_types)]
        enum Kind { r#type, r#fn = "function", regular }
    }
    assert_eq!(Kind::NAMES, ["type", "function", "regular"]);
    let all = [Kind::r#type, Kind::r#fn, Kind::regular];
    assert_eq!(all.map(Class::index), [0, 1, 2]);
}

#[test]
fn long_documentation_is_within_the_recursion_limit() {
    macro_rules! documented {
        ($($line:literal)*) => {
            floodwall::classes! {
                $(#[doc = $line] #[doc = $line] #[doc = $line] #[doc = $line] #[doc = $line])*
                #[derive(PartialOrd)]
                enum Kind {
                    $(#[doc = $line] #[doc = $line] #[doc = $line] #[doc = $line] #[doc = $line])*
                    Message,
                    $(#[doc = $line] #[doc = $line] #[doc = $line] #[doc = $line] #[doc = $line])*
                    #[doc = "the last line"]
                    Login,
                }
            }
        };
    }
    documented!("1" "2" "3" "4" "5" "6" "7" "8" "9" "10" "11" "12" "13" "14" "15" "16" "17" "18" "19" "20");
    assert_eq!(Kind::NAMES, ["Message", "Login"]);
    assert!(Kind::Message < Kind::Login);
}

#[test]
fn deprecated_variant_is_no_warning_in_the_macro() {
    #![deny(deprecated)]
    floodwall::classes! { enum Kind { #[deprecated] Message, Login } }
    assert_eq!(Kind::NAMES, ["Message", "Login"]);
    assert_eq!(Kind::Login.index(), 1);
}

/// The macro refers to none of these names.
mod shadowed {
    #![allow(
        dead_code,
        unused_macros,
        non_camel_case_types,
        reason = "only their names matter"
    )]

    type usize = u8;
    type str = u8;
    mod core {}
    mod std {}
    trait Class {}
    trait Clone {}
    trait Copy {}
    trait Debug {}
    trait Eq {}
    trait Hash {}
    trait PartialEq {}
    struct Rule;
    struct Share;
    macro_rules! stringify {
        ($($token:tt)*) => {
            "shadowed"
        };
    }

    floodwall::classes! { pub(super) enum Kind { Message, r#type } }
}

#[test]
fn names_in_scope_do_not_change_the_macro() {
    use shadowed::Kind;

    assert_eq!(Kind::NAMES, ["Message", "type"]);
    let _: [usize; 2] = [Kind::Message.index(), Kind::r#type.index()];
}
