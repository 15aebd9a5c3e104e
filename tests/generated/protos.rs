//! What is generated, where its paths lead.

pub(crate) mod greet {
    include!("../../examples/greeter/greet.v1.rs");
}

pub(crate) mod odd {
    include!("odd.rs");

    pub(crate) mod elsewhere {
        include!("odd.elsewhere.rs");
    }

    pub(crate) mod names {
        pub(crate) mod v1 {
            include!("odd.names.v1.rs");
        }
    }
}

pub(crate) mod bare {
    include!("_.rs");
}
