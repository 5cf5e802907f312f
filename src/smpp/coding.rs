//! From octets and data_coding to text (SMPP 3.4 section 5.2.19; protocol facts, section 5).
