//! spark
