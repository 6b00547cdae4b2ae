#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod backend;
mod description;
mod error;
mod events;
mod files;
mod instance;
mod kind;
mod record;
mod rules;
mod scenario;
mod simulation;
pub mod size;
mod theory;
mod times;
mod wall;

pub use answer::{
    Answer, ClassAnswer, Estimate, Exact, Latency, LevelAnswer, Part, Stopped, TimelinePart,
    Utilization,
};
pub use error::Error;
pub use rules::RuleSet;
pub use scenario::Scenario;
