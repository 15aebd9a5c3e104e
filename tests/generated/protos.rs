//! What is generated, where its paths lead.

pub(crate) mod greet {
    #![deny(warnings, clippy::all)]
    include!("../../examples/greeter/greet.v1.rs");
}

pub(crate) mod odd {
    include!("odd.rs");

    pub(crate) mod coded {
        #![deny(warnings, clippy::all)]
        include!("odd.coded.rs");
    }

    pub(crate) mod elsewhere {
        include!("odd.elsewhere.rs");
    }

    pub(crate) mod names {
        pub(crate) mod v1 {
            #![deny(warnings, clippy::all)]
            include!("odd.names.v1.rs");
        }
    }
}

pub(crate) mod bare {
    #![deny(warnings, clippy::all)]
    include!("_.rs");
}
