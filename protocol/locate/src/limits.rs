//! What strangers' zones may cost us.

/// Longest domain name in text form, bytes: RFC 1035 §2.3.4.
pub const NAME_BYTES_MAX: usize = 253;

/// Longest label, bytes: RFC 1035 §2.3.4.
pub const LABEL_BYTES_MAX: usize = 63;

/// NAPTR records of one name that are followed: a server has one for each transport, and there are five.
pub const SERVICES_MAX: usize = 8;

/// SRV records that are followed, all services together, the best ones first. Each costs two questions; an answer with
/// 500 of them must not cost a thousand.
pub const SERVERS_MAX: usize = 16;

/// Addresses of one server: more names of one machine say nothing new.
pub const ADDRESSES_MAX: usize = 8;

/// Places that one request is sent to, one after the other. A caller has given up before the last of them.
pub const HOPS_MAX: usize = 16;

/// NAPTR records that a telephone number may be sent through before it is a URI: RFC 6116 §5.2.1.
pub const ENUM_CHAIN_MAX: usize = 5;

/// NAPTR records of one number that are looked at, the preferred ones first.
pub const ENUM_RECORDS_MAX: usize = 32;

/// Longest URI that a number may become, bytes.
pub const ENUM_URI_BYTES_MAX: usize = 256;

/// Longest regular expression with its replacement, bytes: a character-string of RFC 1035 §3.3.
pub const REWRITE_BYTES_MAX: usize = 255;

/// What a compiled expression may take, bytes. It runs in time linear to its size and that of the number, so this is
/// also the bound of its time.
pub const REWRITE_PROGRAM_BYTES_MAX: usize = 64 * 1024;
