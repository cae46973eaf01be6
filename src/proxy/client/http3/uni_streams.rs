//! The streams of a client that belong to no request.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::{Bytes, BytesMut};
use quinn::RecvStream;

use super::{
    budget::Cost,
    shared::{Shared, number},
};
use crate::http3::{Code, ControlFrames, UniStream, qpack};

const PIECE: usize = 4096;

/// Which of the streams have begun that there may be one of.
#[derive(Debug, Default)]
pub(super) struct Begun {
    control: AtomicBool,
    encoder: AtomicBool,
    decoder: AtomicBool,
}

/// Reads such a stream to its end. A client that breaks the rules loses its connection.
pub(super) async fn read(shared: Arc<Shared>, begun: Arc<Begun>, mut stream: RecvStream) {
    shared.pay(Cost::UniStream);
    if let Err(code) = follow(&shared, &begun, &mut stream).await {
        shared.broken(code);
    }
}

async fn follow(shared: &Shared, begun: &Begun, stream: &mut RecvStream) -> Result<(), Code> {
    let Some((kind, mut input)) = begin(stream).await else { return Ok(()) };
    let is_first = match kind {
        UniStream::Control => !begun.control.swap(true, Ordering::Relaxed),
        UniStream::Encoder => !begun.encoder.swap(true, Ordering::Relaxed),
        UniStream::Decoder => !begun.decoder.swap(true, Ordering::Relaxed),
        UniStream::Push => return Err(Code::StreamCreation),
        UniStream::Unknown => {
            // An error means that it has ended.
            let _ = stream.stop(number(Code::StreamCreation));
            return Ok(());
        }
    };
    if !is_first {
        return Err(Code::StreamCreation);
    }
    let (mut control, mut is_inside) = (ControlFrames::default(), false);
    loop {
        let costs = match kind {
            UniStream::Control => control.read(&mut input)?,
            UniStream::Encoder if !qpack::check_encoder_stream(&input) => {
                return Err(Code::QpackEncoderStream);
            }
            UniStream::Decoder if !qpack::check_decoder_stream(&input, &mut is_inside) => {
                return Err(Code::QpackDecoderStream);
            }
            // Without a dynamic table there is nothing to say, but that requests were cancelled.
            _ => u32::from(!input.is_empty()),
        };
        if costs > 0 {
            shared.pay(Cost::ControlFrames(costs));
        }
        match stream.read_chunk(PIECE, true).await {
            Ok(Some(chunk)) => input = chunk.bytes,
            // The client may not end such a stream before the connection.
            Ok(None) | Err(quinn::ReadError::Reset(_)) => return Err(Code::ClosedCriticalStream),
            Err(_) => return Ok(()),
        }
    }
}

/// The kind of a stream, and what has come of the rest; `None` if it ends before.
async fn begin(stream: &mut RecvStream) -> Option<(UniStream, Bytes)> {
    let mut came = BytesMut::new();
    loop {
        came.extend_from_slice(&stream.read_chunk(PIECE, true).await.ok()??.bytes);
        let mut input = Bytes::copy_from_slice(&came);
        if let Some(kind) = UniStream::take(&mut input) {
            return Some((kind, input));
        }
    }
}
