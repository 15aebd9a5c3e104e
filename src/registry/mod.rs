//! Every service and its serving status.
