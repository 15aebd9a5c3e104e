//! Sets that protox compiles are asked about, and what comes back is read by prost-reflect.

mod asking;
mod building;
mod fixture;
mod versions;
