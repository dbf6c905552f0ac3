//! The lab: experiments that measure the article's claims. Nothing else depends on it.

pub mod browser;
pub mod growth;
