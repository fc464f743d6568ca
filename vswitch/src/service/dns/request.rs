//! One query as it came, and the replies to it: the wire format, by `hickory-proto`.
//!
//! Of a query only the header, the question and the OPT record are understood (RFC 1035 §4, RFC 6891 §6); other records
//! are walked over by their lengths. What is forwarded is the query as it came, so nothing else has to be.
//!
//! What cannot be read is answered with FORMERR if it has a whole header, else dropped. A response is always dropped:
//! two servers would answer each other for ever.

use hickory_proto::{
    ProtoError,
    op::{
        Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode,
        emit_message_parts,
    },
    rr::{DNSClass, Name, RData, Record, RecordType},
    serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder, DecodeError},
};

/// How long a reply may be that a client without EDNS gets by UDP, in bytes (RFC 1035 §4.2.1).
const PLAIN_UDP: u16 = 512;
/// What we say that we take by UDP: no fragments on any usual path (DNS flag day 2020).
const OUR_UDP: u16 = 1232;
/// Length of a header, in bytes.
const HEADER: usize = 12;

/// By what a query came, and so how long its reply may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// A datagram.
    Udp {
        /// Longest reply in bytes, whatever the client offers; at least 512.
        most: u16,
    },
    /// A stream.
    Tcp,
}

impl Transport {
    /// UDP through sockets of a kernel, which makes fragments where it must.
    pub const UDP: Self = Self::Udp { most: 4096 };
}

/// A query that can be answered.
#[derive(Clone, Debug)]
pub struct Request {
    metadata: Metadata,
    question: Query,
    /// What the client offers, if it speaks EDNS.
    edns: Option<Offer>,
    transport: Transport,
}

/// The part of an OPT record that matters here.
#[derive(Clone, Copy, Debug)]
struct Offer {
    payload: u16,
    version: u8,
    dnssec: bool,
}

/// What is done with bytes that are no query to be answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// This is sent.
    Reply(Vec<u8>),
    /// Nothing is sent.
    Drop,
}

impl Request {
    /// Reads a query.
    ///
    /// # Errors
    /// What to do instead of answering it.
    pub fn read(bytes: &[u8], transport: Transport) -> Result<Self, Refused> {
        let mut decoder = BinDecoder::new(bytes);
        let header = Header::read(&mut decoder).map_err(|_| Refused::Drop)?;
        let metadata = header.metadata;
        if metadata.message_type == MessageType::Response {
            return Err(Refused::Drop);
        }
        if metadata.op_code != OpCode::Query {
            return Err(Refused::Reply(bare(bytes, ResponseCode::NotImp)));
        }
        let malformed = |_| Refused::Reply(bare(bytes, ResponseCode::FormErr));
        let (question, edns) = body(&mut decoder, &header).map_err(malformed)?;
        let request = Self {
            metadata,
            question,
            edns,
            transport,
        };
        if request.edns.is_some_and(|offer| offer.version > 0) {
            return Err(request.failure(ResponseCode::BADVERS).into());
        }
        Ok(request)
    }

    /// What is asked.
    pub const fn question(&self) -> &Query {
        &self.question
    }

    /// By what it came.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The name that is asked for, without the final dot. None for the root and for what no name of ours can be: bytes
    /// that are not UTF-8, a dot within a label.
    pub fn name(&self) -> Option<String> {
        let labels: Option<Vec<&str>> = self
            .question
            .name
            .iter()
            .map(|label| std::str::from_utf8(label).ok().filter(|l| !l.contains('.')))
            .collect();
        labels.filter(|l| !l.is_empty()).map(|l| l.join("."))
    }

    /// How long the reply may be, in bytes.
    pub fn room(&self) -> usize {
        match self.transport {
            Transport::Tcp => usize::from(u16::MAX),
            Transport::Udp { most } => {
                let offered = self.edns.map_or(PLAIN_UDP, |offer| offer.payload);
                usize::from(offered.min(most).max(PLAIN_UDP))
            }
        }
    }

    /// The reply with these records under the name that was asked for; as many as there is room for, with TC if some
    /// are missing.
    pub fn reply(&self, ttl: u32, data: impl IntoIterator<Item = RData>) -> Option<Vec<u8>> {
        let mut message = self.message(ResponseCode::NoError);
        for data in data {
            let record = Record::from_rdata(self.question.name.clone(), ttl, data);
            message.answers.push(record);
        }
        encode(&message, self.room())
    }

    /// A reply without records that says why.
    pub fn failure(&self, code: ResponseCode) -> Option<Vec<u8>> {
        encode(&self.message(code), self.room())
    }

    /// What somebody else answered, as our client gets it: under the client's ID, and without its records where it is
    /// longer than the client can take.
    pub fn pass(&self, mut reply: Vec<u8>) -> Option<Vec<u8>> {
        if reply.len() <= self.room() {
            let id = reply.get_mut(..2)?;
            id.copy_from_slice(&self.metadata.id.to_be_bytes());
            return Some(reply);
        }
        let mut message = self.message(ResponseCode::from_low(reply.get(3)? & 0x0f));
        message.metadata.truncation = true;
        encode(&message, self.room())
    }

    fn message(&self, code: ResponseCode) -> Message {
        let mut message = Message::response(self.metadata.id, OpCode::Query);
        message.metadata = Metadata::response_from_request(&self.metadata);
        message.metadata.recursion_available = true;
        message.metadata.response_code = code;
        message.add_query(self.question.clone());
        if let Some(offer) = self.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(OUR_UDP).set_dnssec_ok(offer.dnssec);
            message.set_edns(edns);
        }
        message
    }
}

impl From<Option<Vec<u8>>> for Refused {
    fn from(reply: Option<Vec<u8>>) -> Self {
        reply.map_or(Self::Drop, Self::Reply)
    }
}

/// Reads what follows the header.
fn body(
    decoder: &mut BinDecoder<'_>,
    header: &Header,
) -> Result<(Query, Option<Offer>), Malformed> {
    let counts = header.counts;
    if counts.queries != 1 {
        return Err(Malformed);
    }
    let question = Query::read(decoder)?;
    for _ in 0..u32::from(counts.answers) + u32::from(counts.authorities) {
        if record(decoder)?.is_some() {
            return Err(Malformed);
        }
    }
    let mut edns = None;
    for _ in 0..counts.additionals {
        if let Some(offer) = record(decoder)?
            && edns.replace(offer).is_some()
        {
            return Err(Malformed);
        }
    }
    if decoder.is_empty() {
        Ok((question, edns))
    } else {
        Err(Malformed)
    }
}

/// Walks over one record; tells its content if it is an OPT record.
fn record(decoder: &mut BinDecoder<'_>) -> Result<Option<Offer>, Malformed> {
    let owner = Name::read(decoder)?;
    let kind = RecordType::read(decoder)?;
    let class = DNSClass::read(decoder)?;
    let ttl = decoder.read_u32()?.unverified(/* any value has a meaning */);
    let length = decoder.read_u16()?.unverified(/* read_slice checks it */);
    decoder.read_slice(usize::from(length))?;
    if kind != RecordType::OPT {
        return Ok(None);
    }
    if !owner.is_root() {
        return Err(Malformed);
    }
    let [_, version, flags, _] = ttl.to_be_bytes();
    Ok(Some(Offer {
        payload: u16::from(class),
        version,
        dnssec: flags & 0x80 != 0,
    }))
}

/// No DNS query.
struct Malformed;

impl From<DecodeError> for Malformed {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

/// A reply of a header only, to a query of which nothing more is known to be right.
fn bare(query: &[u8], code: ResponseCode) -> Vec<u8> {
    let mut reply = vec![0; HEADER];
    for (to, from) in reply.iter_mut().zip(query).take(3) {
        *to = *from;
    }
    // QR, and of the query's own bits the opcode and RD.
    reply[2] = 0x80 | (reply[2] & 0x79);
    // RA.
    reply[3] = 0x80 | code.low();
    reply
}

/// A message of at most `room` bytes, with TC if answers had to be left out. The OPT record is never left out: it is put
/// behind what fits into the rest.
///
/// None is for a message that has no encoding, which a question that was read and records that we make do not lead to.
fn encode(message: &Message, room: usize) -> Option<Vec<u8>> {
    let encoded = || -> Result<Vec<u8>, ProtoError> {
        let mut opt = Vec::new();
        if let Some(edns) = &message.edns {
            let mut edns = edns.clone();
            edns.set_rcode_high(message.metadata.response_code.high());
            edns.emit(&mut BinEncoder::new(&mut opt))?;
        }
        let mut bytes = Vec::with_capacity(usize::from(PLAIN_UDP));
        let mut encoder = BinEncoder::new(&mut bytes);
        let rest = room.saturating_sub(opt.len());
        encoder.set_max_size(u16::try_from(rest).unwrap_or(u16::MAX));
        // The upper bits of the code are in the OPT record.
        let mut head = message.metadata;
        head.response_code = ResponseCode::from_low(head.response_code.low());
        emit_message_parts(
            &head,
            &mut message.queries.iter(),
            &mut message.answers.iter(),
            &mut std::iter::empty::<&Record>(),
            &mut std::iter::empty::<&Record>(),
            None,
            None,
            &mut encoder,
        )?;
        // The encoder goes back in front of a record that does not fit, but leaves what it wrote of it.
        let written = encoder.offset();
        bytes.truncate(written);
        // ARCOUNT, which ends the header.
        bytes[HEADER - 1] = u8::from(!opt.is_empty());
        bytes.extend(opt);
        Ok(bytes)
    };
    match encoded() {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            tracing::debug!(%error, "a reply that cannot be encoded");
            None
        }
    }
}

/// Whether bytes are the answer to the query that was sent under `id`, and what it says.
///
/// A server that did not understand the query may leave the question out (RFC 5452 §9.1 asks for it, but an error
/// without it misleads nobody).
pub fn verdict(reply: &[u8], id: u16, question: &Query) -> Option<ResponseCode> {
    let mut decoder = BinDecoder::new(reply);
    let header = Header::read(&mut decoder).ok()?;
    if header.id != id || header.message_type != MessageType::Response {
        return None;
    }
    let code = header.response_code;
    match header.counts.queries {
        0 => (code != ResponseCode::NoError && code != ResponseCode::NXDomain).then_some(code),
        1 => (Query::read(&mut decoder).ok()? == *question).then_some(code),
        _ => None,
    }
}
