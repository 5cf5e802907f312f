//! schedule_delivery_time and validity_period (SMPP 3.4 section 7.1.1).
