//! Clock, randomness, TLS, tracing, configuration and shutdown
