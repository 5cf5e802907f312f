//! The numbers of SMPP 3.4 section 5.1.2 and 5.1.3 (5.0: 4.7.5, 4.7.6) that the
//! path of a message compares with. A test holds them against rusmpp's names.

/// Bit that marks a response.
pub const RESPONSE: u32 = 0x8000_0000;
/// generic_nack.
pub const GENERIC_NACK: u32 = 0x8000_0000;
/// bind_receiver.
pub const BIND_RECEIVER: u32 = 0x01;
/// bind_transmitter.
pub const BIND_TRANSMITTER: u32 = 0x02;
/// query_sm.
pub const QUERY_SM: u32 = 0x03;
/// submit_sm.
pub const SUBMIT_SM: u32 = 0x04;
/// submit_sm_resp.
pub const SUBMIT_SM_RESP: u32 = 0x8000_0004;
/// deliver_sm.
pub const DELIVER_SM: u32 = 0x05;
/// deliver_sm_resp.
pub const DELIVER_SM_RESP: u32 = 0x8000_0005;
/// unbind.
pub const UNBIND: u32 = 0x06;
/// unbind_resp.
pub const UNBIND_RESP: u32 = 0x8000_0006;
/// replace_sm.
pub const REPLACE_SM: u32 = 0x07;
/// cancel_sm.
pub const CANCEL_SM: u32 = 0x08;
/// bind_transceiver.
pub const BIND_TRANSCEIVER: u32 = 0x09;
/// enquire_link.
pub const ENQUIRE_LINK: u32 = 0x15;
/// enquire_link_resp.
pub const ENQUIRE_LINK_RESP: u32 = 0x8000_0015;
/// submit_multi.
pub const SUBMIT_MULTI: u32 = 0x21;
/// submit_multi_resp.
pub const SUBMIT_MULTI_RESP: u32 = 0x8000_0021;
/// data_sm.
pub const DATA_SM: u32 = 0x103;
/// data_sm_resp.
pub const DATA_SM_RESP: u32 = 0x8000_0103;
/// broadcast_sm (5.0).
pub const BROADCAST_SM: u32 = 0x111;

/// The command_status values the gateway itself answers with or looks at.
pub mod status {
    /// No error.
    pub const ESME_ROK: u32 = 0x00;
    /// Message length is invalid.
    pub const ESME_RINVMSGLEN: u32 = 0x01;
    /// Command length is invalid.
    pub const ESME_RINVCMDLEN: u32 = 0x02;
    /// Invalid command id.
    pub const ESME_RINVCMDID: u32 = 0x03;
    /// Incorrect bind status for the given command.
    pub const ESME_RINVBNDSTS: u32 = 0x04;
    /// Already in bound state.
    pub const ESME_RALYBND: u32 = 0x05;
    /// System error.
    pub const ESME_RSYSERR: u32 = 0x08;
    /// Invalid source address.
    pub const ESME_RINVSRCADR: u32 = 0x0A;
    /// Invalid destination address.
    pub const ESME_RINVDSTADR: u32 = 0x0B;
    /// Bind failed.
    pub const ESME_RBINDFAIL: u32 = 0x0D;
    /// cancel_sm failed.
    pub const ESME_RCANCELFAIL: u32 = 0x11;
    /// replace_sm failed.
    pub const ESME_RREPLACEFAIL: u32 = 0x13;
    /// Message queue full.
    pub const ESME_RMSGQFUL: u32 = 0x14;
    /// Invalid service type.
    pub const ESME_RINVSERTYP: u32 = 0x15;
    /// Invalid number of destinations.
    pub const ESME_RINVNUMDESTS: u32 = 0x33;
    /// Invalid distribution list name.
    pub const ESME_RINVDLNAME: u32 = 0x34;
    /// Invalid destination flag.
    pub const ESME_RINVDESTFLAG: u32 = 0x40;
    /// Invalid submission with a replace request.
    pub const ESME_RINVSUBREP: u32 = 0x42;
    /// Invalid esm_class.
    pub const ESME_RINVESMCLASS: u32 = 0x43;
    /// Cannot submit to a distribution list.
    pub const ESME_RCNTSUBDL: u32 = 0x44;
    /// submit_sm failed.
    pub const ESME_RSUBMITFAIL: u32 = 0x45;
    /// Invalid type of number of the source.
    pub const ESME_RINVSRCTON: u32 = 0x48;
    /// Invalid numbering plan of the source.
    pub const ESME_RINVSRCNPI: u32 = 0x49;
    /// Invalid type of number of the destination.
    pub const ESME_RINVDSTTON: u32 = 0x50;
    /// Invalid numbering plan of the destination.
    pub const ESME_RINVDSTNPI: u32 = 0x51;
    /// Throttling error.
    pub const ESME_RTHROTTLED: u32 = 0x58;
    /// Invalid scheduled delivery time.
    pub const ESME_RINVSCHED: u32 = 0x61;
    /// Invalid validity period.
    pub const ESME_RINVEXPIRY: u32 = 0x62;
    /// Predefined message not found.
    pub const ESME_RINVDFTMSGID: u32 = 0x63;
    /// Error in the optional part of the PDU.
    pub const ESME_RINVOPTPARSTREAM: u32 = 0xC0;
    /// TLV not allowed.
    pub const ESME_ROPTPARNOTALLWD: u32 = 0xC1;
    /// Invalid parameter length.
    pub const ESME_RINVPARLEN: u32 = 0xC2;
    /// Expected TLV missing.
    pub const ESME_RMISSINGOPTPARAM: u32 = 0xC3;
    /// Operation recognised but denied to this ESME (5.0).
    pub const ESME_RPROHIBITED: u32 = 0x101;

    /// The name of a `command_status`; empty for one that has none.
    pub const fn name(status: u32) -> &'static str {
        match status {
            0x00 => "ESME_ROK",
            0x01 => "ESME_RINVMSGLEN",
            0x02 => "ESME_RINVCMDLEN",
            0x03 => "ESME_RINVCMDID",
            0x04 => "ESME_RINVBNDSTS",
            0x05 => "ESME_RALYBND",
            0x08 => "ESME_RSYSERR",
            0x0A => "ESME_RINVSRCADR",
            0x0B => "ESME_RINVDSTADR",
            0x0D => "ESME_RBINDFAIL",
            0x0E => "ESME_RINVPASWD",
            0x0F => "ESME_RINVSYSID",
            0x13 => "ESME_RREPLACEFAIL",
            0x14 => "ESME_RMSGQFUL",
            0x15 => "ESME_RINVSERTYP",
            0x42 => "ESME_RINVSUBREP",
            0x43 => "ESME_RINVESMCLASS",
            0x44 => "ESME_RCNTSUBDL",
            0x45 => "ESME_RSUBMITFAIL",
            0x48 => "ESME_RINVSRCTON",
            0x49 => "ESME_RINVSRCNPI",
            0x50 => "ESME_RINVDSTTON",
            0x51 => "ESME_RINVDSTNPI",
            0x58 => "ESME_RTHROTTLED",
            0x61 => "ESME_RINVSCHED",
            0x62 => "ESME_RINVEXPIRY",
            0x63 => "ESME_RINVDFTMSGID",
            0x64 => "ESME_RX_T_APPN",
            0x65 => "ESME_RX_P_APPN",
            0x66 => "ESME_RX_R_APPN",
            0xC0 => "ESME_RINVOPTPARSTREAM",
            0xC1 => "ESME_ROPTPARNOTALLWD",
            0xC2 => "ESME_RINVPARLEN",
            0xC3 => "ESME_RMISSINGOPTPARAM",
            0xC4 => "ESME_RINVOPTPARAMVAL",
            0xFE => "ESME_RDELIVERYFAILURE",
            0xFF => "ESME_RUNKNOWNERR",
            0x101 => "ESME_RPROHIBITED",
            0x103 => "ESME_RSERTYPDENIED",
            0x104 => "ESME_RINVDCS",
            _ => "",
        }
    }
}

/// Whether a request carries a message towards subscribers and is judged by the policy.
pub const fn is_submission(command_id: u32) -> bool {
    matches!(command_id, SUBMIT_SM | SUBMIT_MULTI | DATA_SM | REPLACE_SM | BROADCAST_SM)
}

/// Whether a request is one of the three binds.
pub const fn is_bind(command_id: u32) -> bool {
    matches!(command_id, BIND_RECEIVER | BIND_TRANSMITTER | BIND_TRANSCEIVER)
}

/// A closed set of names for metric labels and logs.
pub const fn name(command_id: u32) -> &'static str {
    match command_id & !RESPONSE {
        BIND_RECEIVER => "bind_receiver",
        BIND_TRANSMITTER => "bind_transmitter",
        BIND_TRANSCEIVER => "bind_transceiver",
        QUERY_SM => "query_sm",
        SUBMIT_SM => "submit_sm",
        DELIVER_SM => "deliver_sm",
        UNBIND => "unbind",
        REPLACE_SM => "replace_sm",
        CANCEL_SM => "cancel_sm",
        ENQUIRE_LINK => "enquire_link",
        SUBMIT_MULTI => "submit_multi",
        DATA_SM => "data_sm",
        BROADCAST_SM => "broadcast_sm",
        0 => "generic_nack",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use rusmpp::{CommandId, CommandStatus};

    use super::*;

    #[test]
    fn the_numbers_are_those_of_rusmpp() {
        for (own, theirs) in [
            (GENERIC_NACK, CommandId::GenericNack),
            (BIND_RECEIVER, CommandId::BindReceiver),
            (BIND_TRANSMITTER, CommandId::BindTransmitter),
            (QUERY_SM, CommandId::QuerySm),
            (SUBMIT_SM, CommandId::SubmitSm),
            (SUBMIT_SM_RESP, CommandId::SubmitSmResp),
            (DELIVER_SM, CommandId::DeliverSm),
            (DELIVER_SM_RESP, CommandId::DeliverSmResp),
            (UNBIND, CommandId::Unbind),
            (UNBIND_RESP, CommandId::UnbindResp),
            (REPLACE_SM, CommandId::ReplaceSm),
            (CANCEL_SM, CommandId::CancelSm),
            (BIND_TRANSCEIVER, CommandId::BindTransceiver),
            (ENQUIRE_LINK, CommandId::EnquireLink),
            (ENQUIRE_LINK_RESP, CommandId::EnquireLinkResp),
            (SUBMIT_MULTI, CommandId::SubmitMulti),
            (SUBMIT_MULTI_RESP, CommandId::SubmitMultiResp),
            (DATA_SM, CommandId::DataSm),
            (DATA_SM_RESP, CommandId::DataSmResp),
            (BROADCAST_SM, CommandId::BroadcastSm),
        ] {
            assert_eq!(CommandId::from(own), theirs);
        }
        for (own, theirs) in [
            (status::ESME_ROK, CommandStatus::EsmeRok),
            (status::ESME_RINVMSGLEN, CommandStatus::EsmeRinvmsglen),
            (status::ESME_RINVCMDLEN, CommandStatus::EsmeRinvcmdlen),
            (status::ESME_RINVCMDID, CommandStatus::EsmeRinvcmdid),
            (status::ESME_RINVBNDSTS, CommandStatus::EsmeRinvbndsts),
            (status::ESME_RALYBND, CommandStatus::EsmeRalybnd),
            (status::ESME_RSYSERR, CommandStatus::EsmeRsyserr),
            (status::ESME_RINVSRCADR, CommandStatus::EsmeRinvsrcadr),
            (status::ESME_RINVDSTADR, CommandStatus::EsmeRinvdstadr),
            (status::ESME_RBINDFAIL, CommandStatus::EsmeRbindfail),
            (status::ESME_RREPLACEFAIL, CommandStatus::EsmeRreplacefail),
            (status::ESME_RMSGQFUL, CommandStatus::EsmeRmsgqful),
            (status::ESME_RINVSERTYP, CommandStatus::EsmeRinvsertyp),
            (status::ESME_RINVSUBREP, CommandStatus::EsmeRinvsubrep),
            (status::ESME_RINVESMCLASS, CommandStatus::EsmeRinvesmclass),
            (status::ESME_RCNTSUBDL, CommandStatus::EsmeRcntsubdl),
            (status::ESME_RSUBMITFAIL, CommandStatus::EsmeRsubmitfail),
            (status::ESME_RINVDSTTON, CommandStatus::EsmeRinvdstton),
            (status::ESME_RINVDSTNPI, CommandStatus::EsmeRinvdstnpi),
            (status::ESME_RTHROTTLED, CommandStatus::EsmeRthrottled),
            (status::ESME_RINVSCHED, CommandStatus::EsmeRinvsched),
            (status::ESME_RINVSRCTON, CommandStatus::EsmeRinvsrcton),
            (status::ESME_RINVSRCNPI, CommandStatus::EsmeRinvsrcnpi),
            (status::ESME_RINVEXPIRY, CommandStatus::EsmeRinvexpiry),
            (status::ESME_RINVDFTMSGID, CommandStatus::EsmeRinvdftmsgid),
        ] {
            assert_eq!(CommandStatus::from(own), theirs);
        }
    }
}
