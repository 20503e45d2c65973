@0xe0cc0858ef38c063;
# What ravn peers say to each other. One frame is one Cap'n Proto stream message whose root is Frame:
#
#   segment table | segment 0 | segment 1 | … | segment k
#
# Segment 0 holds everything but the bytes of tensors and is at most 64 KiB. Each piece of a tensor
# that has bytes is a segment of its own, in the order of the tensors, zero padded to 8 bytes, and its
# `data` is a double-far pointer whose landing pad lies in segment 0. Nothing is packed.

struct Frame {
  seq @0 :UInt64;  # counts the frames of one direction of one connection, from 0
  union {
    hello     @1  :Hello;
    challenge @2  :Challenge;
    auth      @3  :Auth;
    welcome   @4  :Welcome;
    tensors   @5  :Tensors;
    control   @6  :Control;
    credit    @7  :Credit;
    ping      @8  :Ping;
    pong      @9  :Ping;
    failure   @10 :Failure;
    bye       @11 :Bye;
  }
}

# The handshake: hello, challenge, auth, welcome. Each mac is HMAC-SHA256 over the bytes of all frames
# before it and of its own frame with the mac zeroed.

struct Hello {            # from the node that dials
  magic      @0 :UInt32;  # 0x5241564e, "RAVN"
  versionMin @1 :UInt16;
  versionMax @2 :UInt16;
  nodeId     @3 :Text;
  address    @4 :Text;    # where the dialing node itself listens
  expected   @5 :Text;    # id of the node that is dialed
  runHash    @6 :Text;    # hash of the plan, in hex
  nonce      @7 :Data;    # 32 random bytes
  credit     @8 :UInt64;  # bytes that the other side may send before the first Credit
  memory     @9 :Text;    # name of memory that both may share; empty: none
}

struct Challenge {        # from the node that listens
  version    @0 :UInt16;
  nodeId     @1 :Text;
  address    @2 :Text;
  runHash    @3 :Text;
  nonce      @4 :Data;
  credit     @5 :UInt64;
  mac        @6 :Data;    # 32 bytes
}

struct Auth { mac @0 :Data; }
struct Welcome {
  mac        @0 :Data;
  memory     @1 :UInt16;  # 1: the offered memory is shared, and all later bytes go through it
}

enum Kind {
  forward  @0;
  backward @1;
  evaluate @2;
  reduce   @3;
  gather   @4;
  weights  @5;
}

enum DType {  # names as in ONNX
  float32  @0;
  float16  @1;
  bfloat16 @2;
  float64  @3;
  int8     @4;
  uint8    @5;
  int16    @6;
  uint16   @7;
  int32    @8;
  uint32   @9;
  int64    @10;
  uint64   @11;
  bool     @12;
}

enum Codec {  # all but raw are reserved, and refused
  raw       @0;
  float16   @1;
  bfloat16  @2;
  int8Block @3;
  topK      @4;
}

# Tensors that belong together. If their bytes do not fit into one frame, further frames follow with
# the same fields, each carrying the next pieces in order; the last one completes every tensor.
struct Tensors {
  kind          @0 :Kind;
  samples       @1 :UInt32;   # in this micro-batch
  microBatch    @2 :UInt64;
  step          @3 :UInt64;
  weightVersion @4 :UInt64;
  tensors       @5 :List(Tensor);
}

struct Tensor {
  name   @0 :Text;
  dtype  @1 :DType;
  codec  @2 :Codec;
  dims   @3 :List(UInt32);    # of the whole tensor
  offset @4 :UInt64;          # bytes of it that went before, in earlier frames
  total  @5 :UInt64;          # bytes of the whole tensor
  data   @6 :Data;            # this piece; null where it has no bytes
}

enum ControlKind {
  begin      @0;
  ready      @1;
  progress   @2;
  evaluate   @3;
  evaluated  @4;
  checkpoint @5;
  saved      @6;
  finish     @7;
  abort      @8;
  norm       @9;
}

struct Control {
  kind   @0 :ControlKind;
  step   @1 :UInt64;
  epoch  @2 :UInt64;
  values @3 :List(Float64);
  text   @4 :Text;
}

struct Credit { bytes @0 :UInt64; }  # that may be sent beyond what was granted before
struct Ping { token @0 :UInt64; }

enum FailureCode {
  protocol @0;
  version  @1;
  token    @2;
  plan     @3;
  node     @4;
  limit    @5;
  failed   @6;  # the sender of this frame cannot go on
}

struct Failure { code @0 :FailureCode; message @1 :Text; }
struct Bye { reason @0 :Text; }
