//! Headers that are nobody's business but the phones': RFC 3261 §20. They pass in requests and in answers as they were
//! written, whatever stands in them.

use crate::exchange::{Observed, open_ladder};

/// What a caller may say.
const OF_A_REQUEST: &str = "
            Accept: application/sdp;level=1, application/x-private, text/html
            Accept-Encoding: gzip
            Accept-Language: da, en-gb;q=0.8, en;q=0.7
            Alert-Info: <http://www.example.com/sounds/moo.wav>
            Allow: INVITE, ACK, OPTIONS, CANCEL, BYE
            Call-Info: <http://www.example.com/alice/photo.jpg> ;purpose=icon
            Content-Disposition: session;handling=optional
            Content-Encoding: tar
            Content-Language: fr
            Content-Type: text/html; charset=ISO-8859-4
            In-Reply-To: 70710@saturn.bell-tel.com, 17320@saturn.bell-tel.com
            MIME-Version: 1.0
            Organization: Boxes by Bob
            Priority: non-urgent
            Reply-To: Bob <sip:bob@biloxi.com>
            Subject: Need more boxes
            Supported: 100rel
            User-Agent: Softphone Beta1.5
            Date: Sat, 13 Nov 2010 23:29:00 GMT
";

/// What a callee may say.
const OF_AN_ANSWER: &str = "
            Accept: application/sdp;level=1
            Accept-Encoding: gzip
            Accept-Language: da
            Alert-Info: <http://www.example.com/sounds/moo.wav>
            Allow: INVITE, ACK, OPTIONS, CANCEL, BYE
            Authentication-Info: nextnonce=\"47364c23432d2e131a5fb210812c\"
            Call-Info: <http://www.example.com/alice/> ;purpose=info
            Content-Disposition: render
            Content-Encoding: gzip
            Content-Language: fr
            Content-Type: text/plain
            Error-Info: <sip:not-in-service-recording@atlanta.com>
            MIME-Version: 1.0
            Organization: Boxes by Bob
            Reply-To: Bob <sip:bob@biloxi.com>
            Server: HomeServer v2
            Warning: 307 isi.edu \"Session parameter 'foo' not understood\"
            Retry-After: 18000;duration=3600
            Timestamp: 54 .5
";

/// RFC 3261 §20.1, §20.2, §20.3, §20.4, §20.5, §20.6, §20.9, §20.11, §20.12, §20.13, §20.15, §20.17, §20.18, §20.21, §20.24,
/// §20.25, §20.26, §20.31, §20.33, §20.35, §20.36, §20.37, §20.38, §20.41, §20.43: examples of the RFC, from phone to phone.
#[test]
fn they_pass_as_they_are() {
    let (request, answer) = (OF_A_REQUEST.trim_matches('\n'), OF_AN_ANSWER.trim_matches('\n'));
    open_ladder(&format!(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
{request}
                  proxy -> bob     INVITE
{request}
                  proxy <- bob     183
{answer}
        alice  <- proxy            183
{answer}
                  proxy <- bob     480
{answer}
        alice  <- proxy            480
{answer}
                  proxy -> bob     ACK
        alice  -> proxy            ACK
        alice  -> proxy            OPTIONS bob #2
{request}
                  proxy -> bob     OPTIONS #2
{request}
                  proxy <- bob     200 #2
{answer}
        alice  <- proxy            200 #2
{answer}
    "
    ))
    .leaves_nothing();
}
