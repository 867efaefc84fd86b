;; Both ends of a ring, in place on a shared memory. $p and $c are the private states of a producer and a consumer; they
;; and the consumer's scratch lie behind the guest's memory, where the other side does not reach. All addresses count from
;; the start of the memory.
;;
;; producer state                                consumer state
;;    0  ring: its control page                     0  ring: its control page
;;    4  size of the data area                      4  size of the data area
;;    8  write: where the next packet goes          8  read: the next packet
;;   12  published write index                     12  published read index
;;   16  read index as last seen                   16  write index as last seen
;;   20  pending send size in force                20  longest packet taken
;;   24  1 with flow control
;;   28  1 when a signal is due
;;   32  fault: 0, or why the ring is dead         32  fault: 0, or why the ring is dead
;;   36  the number at fault                       36  the number at fault
;;   40  packets (u64)                             40  packets (u64)
;;   48  signals due (u64)                         48  signals due (u64)
;;   56  packets less indices published (u64)
;;   64  packets refused (u64)                     64  packets too long (u64)
;;                                                128  scratch: the packet last taken
;;
;; faults: 1 bad index of the other side, 2 bad index of one's own found at the start, 3 too few bytes for a packet,
;; 4 lengths that cannot be. Control page: 0 write index, 4 read index, 8 interrupt mask, 12 pending send size, 64 features;
;; the data area follows at 4096. Engines do not inline calls here, so short computations stand where they are needed.
(module
  (import "env" "memory" (memory 1 65536 shared))

  ;; Copies $length bytes upwards. Long runs go to memory.copy, whose call costs more than a short loop.
  (func $copy (param $to i32) (param $from i32) (param $length i32)
    (if (i32.gt_u (local.get $length) (i32.const 256))
      (then
        (memory.copy (local.get $to) (local.get $from) (local.get $length))
        (return)))
    (block $short
      (br_if $short (i32.lt_u (local.get $length) (i32.const 64)))
      (loop $blocks
        (v128.store (local.get $to) (v128.load (local.get $from)))
        (v128.store offset=16 (local.get $to) (v128.load offset=16 (local.get $from)))
        (v128.store offset=32 (local.get $to) (v128.load offset=32 (local.get $from)))
        (v128.store offset=48 (local.get $to) (v128.load offset=48 (local.get $from)))
        (local.set $to (i32.add (local.get $to) (i32.const 64)))
        (local.set $from (i32.add (local.get $from) (i32.const 64)))
        (local.set $length (i32.sub (local.get $length) (i32.const 64)))
        (br_if $blocks (i32.ge_u (local.get $length) (i32.const 64)))))
    (if (i32.and (local.get $length) (i32.const 32))
      (then
        (v128.store (local.get $to) (v128.load (local.get $from)))
        (v128.store offset=16 (local.get $to) (v128.load offset=16 (local.get $from)))
        (local.set $to (i32.add (local.get $to) (i32.const 32)))
        (local.set $from (i32.add (local.get $from) (i32.const 32)))))
    (if (i32.and (local.get $length) (i32.const 16))
      (then
        (v128.store (local.get $to) (v128.load (local.get $from)))
        (local.set $to (i32.add (local.get $to) (i32.const 16)))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))))
    (if (i32.and (local.get $length) (i32.const 8))
      (then
        (i64.store (local.get $to) (i64.load (local.get $from)))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (local.set $from (i32.add (local.get $from) (i32.const 8)))))
    (if (i32.eqz (i32.and (local.get $length) (i32.const 7))) (then (return)))
    (if (i32.and (local.get $length) (i32.const 4))
      (then
        (i32.store (local.get $to) (i32.load (local.get $from)))
        (local.set $to (i32.add (local.get $to) (i32.const 4)))
        (local.set $from (i32.add (local.get $from) (i32.const 4)))))
    (if (i32.and (local.get $length) (i32.const 2))
      (then
        (i32.store16 (local.get $to) (i32.load16_u (local.get $from)))
        (local.set $to (i32.add (local.get $to) (i32.const 2)))
        (local.set $from (i32.add (local.get $from) (i32.const 2)))))
    (if (i32.and (local.get $length) (i32.const 1))
      (then (i32.store8 (local.get $to) (i32.load8_u (local.get $from))))))

  ;; Where in the data area an index is that may have run past its end.
  (func $place (param $data i32) (param $size i32) (param $index i32) (result i32)
    (i32.add
      (local.get $data)
      (select
        (local.get $index)
        (i32.sub (local.get $index) (local.get $size))
        (i32.lt_u (local.get $index) (local.get $size)))))

  ;; Copies into the data area at $index, which may have run past its end, and around it.
  (func $copy_in (param $data i32) (param $size i32) (param $index i32) (param $from i32) (param $length i32)
    (local $to i32) (local $first i32)
    (local.set $to (call $place (local.get $data) (local.get $size) (local.get $index)))
    (local.set $first (i32.sub (i32.add (local.get $data) (local.get $size)) (local.get $to)))
    (if (i32.le_u (local.get $length) (local.get $first))
      (then
        (call $copy (local.get $to) (local.get $from) (local.get $length))
        (return)))
    (call $copy (local.get $to) (local.get $from) (local.get $first))
    (call $copy
      (local.get $data)
      (i32.add (local.get $from) (local.get $first))
      (i32.sub (local.get $length) (local.get $first))))

  ;; Copies out of the data area from $index on, which may have run past its end, and around it.
  (func $copy_out (param $data i32) (param $size i32) (param $index i32) (param $to i32) (param $length i32)
    (local $from i32) (local $first i32)
    (local.set $from (call $place (local.get $data) (local.get $size) (local.get $index)))
    (local.set $first (i32.sub (i32.add (local.get $data) (local.get $size)) (local.get $from)))
    (if (i32.le_u (local.get $length) (local.get $first))
      (then
        (call $copy (local.get $to) (local.get $from) (local.get $length))
        (return)))
    (call $copy (local.get $to) (local.get $from) (local.get $first))
    (call $copy
      (i32.add (local.get $to) (local.get $first))
      (local.get $data)
      (i32.sub (local.get $length) (local.get $first))))

  ;; Bytes free by the indices in a producer's state.
  (func $free (param $p i32) (result i32)
    (local $write i32) (local $read i32) (local $size i32)
    (local.set $write (i32.load offset=8 (local.get $p)))
    (local.set $read (i32.load offset=16 (local.get $p)))
    (local.set $size (i32.load offset=4 (local.get $p)))
    (i32.sub
      (select (local.get $size) (i32.const 0) (i32.ge_u (local.get $write) (local.get $read)))
      (i32.sub (local.get $write) (local.get $read))))

  ;; Looks at the consumer's index. Result: 1, or 0 when it cannot be, which kills the ring.
  (func $refresh_read (param $p i32) (result i32)
    (local $read i32)
    (local.set $read (i32.atomic.load offset=4 (i32.load (local.get $p))))
    (if (i32.or
          (i32.ge_u (local.get $read) (i32.load offset=4 (local.get $p)))
          (i32.and (local.get $read) (i32.const 7)))
      (then
        (i32.store offset=32 (local.get $p) (i32.const 1))
        (i32.store offset=36 (local.get $p) (local.get $read))
        (return (i32.const 0))))
    (i32.store offset=16 (local.get $p) (local.get $read))
    (i32.const 1))

  ;; Publishes what has been written. The store is sequentially consistent, so the mask and the consumer's index are loaded
  ;; after everyone can see it. A signal that is due is noted.
  (func $make_public (param $p i32)
    (local $ring i32) (local $old i32)
    (local.set $ring (i32.load (local.get $p)))
    (local.set $old (i32.load offset=12 (local.get $p)))
    (i32.store offset=12 (local.get $p) (i32.load offset=8 (local.get $p)))
    (i64.store offset=56 (local.get $p) (i64.sub (i64.load offset=56 (local.get $p)) (i64.const 1)))
    (i32.atomic.store (local.get $ring) (i32.load offset=8 (local.get $p)))
    (if (i32.atomic.load offset=8 (local.get $ring)) (then (return)))
    (if (i32.eqz (call $refresh_read (local.get $p))) (then (return)))
    (if (i32.eq (i32.load offset=16 (local.get $p)) (local.get $old))
      (then
        (i32.store offset=28 (local.get $p) (i32.const 1))
        (i64.store offset=48 (local.get $p) (i64.add (i64.load offset=48 (local.get $p)) (i64.const 1))))))

  ;; The ring looked full: looks again, then says how much is needed, and looks once more before giving up.
  ;; Result: 0 there is room, 2 full, 3 dead ring.
  (func $await_room (param $p i32) (param $need i32) (result i32)
    (local $pending i32)
    (if (i32.eqz (call $refresh_read (local.get $p))) (then (return (i32.const 3))))
    (if (i32.gt_u (call $free (local.get $p)) (local.get $need)) (then (return (i32.const 0))))
    ;; The consumer reckons with the published index: packets it can't see yet would make it misjudge the step to enough.
    (if (i32.ne (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p)))
      (then
        (call $make_public (local.get $p))
        (if (i32.load offset=32 (local.get $p)) (then (return (i32.const 3))))))
    (if (i32.load offset=24 (local.get $p))
      (then
        ;; who waits for less already, in vain so far, keeps its claim
        (local.set $pending (i32.load offset=20 (local.get $p)))
        (if (i32.eqz
              (i32.and
                (i32.ne (local.get $pending) (i32.const 0))
                (i32.and
                  (i32.lt_u (local.get $pending) (local.get $need))
                  (i32.ge_u (local.get $pending) (call $free (local.get $p))))))
          (then
            (i32.store offset=20 (local.get $p) (local.get $need))
            (i32.atomic.store offset=12 (i32.load (local.get $p)) (local.get $need))))
        (if (i32.eqz (call $refresh_read (local.get $p))) (then (return (i32.const 3))))
        (if (i32.gt_u (call $free (local.get $p)) (local.get $need)) (then (return (i32.const 0))))))
    (i64.store offset=64 (local.get $p) (i64.add (i64.load offset=64 (local.get $p)) (i64.const 1)))
    (i32.const 2))

  ;; Writes a packet and, if $public, publishes it. Script has checked all lengths; the header's is a multiple of 8.
  ;; $kind: type, and flags in the upper half. $header and $payload may be -1: then script fills their places in.
  ;; Result: 0 written, 1 written and a signal due, 2 full, 3 dead ring.
  (func $write (export "write")
    (param $p i32) (param $kind i32) (param $id_low i32) (param $id_high i32)
    (param $header i32) (param $header_length i32) (param $payload i32) (param $payload_length i32) (param $public i32)
    (result i32)
    (local $ring i32) (local $data i32) (local $size i32) (local $write i32) (local $read i32)
    (local $length i32) (local $at i32) (local $end i32) (local $descriptor v128)
    (local.set $size (i32.load offset=4 (local.get $p)))
    (local.set $write (i32.load offset=8 (local.get $p)))
    (local.set $read (i32.load offset=16 (local.get $p)))
    (local.set $length
      (i32.and
        (i32.add (i32.add (local.get $header_length) (local.get $payload_length)) (i32.const 23))
        (i32.const -8)))
    (if (i32.load offset=32 (local.get $p)) (then (return (i32.const 3))))
    ;; used + packet + trailer must stay below size, so that at least 8 bytes remain free
    (if (i32.ge_u
          (i32.add
            (i32.add
              (i32.sub (local.get $write) (local.get $read))
              (select (local.get $size) (i32.const 0) (i32.gt_u (local.get $read) (local.get $write))))
            (i32.add (local.get $length) (i32.const 8)))
          (local.get $size))
      (then
        (local.set $at (call $await_room (local.get $p) (i32.add (local.get $length) (i32.const 8))))
        (if (local.get $at) (then (return (local.get $at))))))
    (local.set $ring (i32.load (local.get $p)))
    (local.set $data (i32.add (local.get $ring) (i32.const 4096)))
    (local.set $at (i32.add (local.get $data) (local.get $write)))
    ;; u16 type, u16 header length / 8, u16 length / 8, u16 flags, u64 transaction id: one store, as the reader's processor
    ;; may have to take it from the store buffer with one load
    (local.set $descriptor
      (i32x4.replace_lane 3
        (i32x4.replace_lane 2
          (i32x4.replace_lane 1
            (i32x4.splat
              (i32.or
                (i32.and (local.get $kind) (i32.const 0xffff))
                (i32.shl (i32.add (local.get $header_length) (i32.const 16)) (i32.const 13))))
            (i32.or
              (i32.shr_u (local.get $length) (i32.const 3))
              (i32.and (local.get $kind) (i32.const 0xffff0000))))
          (local.get $id_low))
        (local.get $id_high)))
    (local.set $end (i32.add (i32.add (local.get $write) (local.get $length)) (i32.const 8)))
    (if (i32.le_u (local.get $end) (local.get $size))
      (then
        ;; in one piece
        (v128.store (local.get $at) (local.get $descriptor))
        ;; the padding is 0, never an old packet's bytes
        (if (i32.and (local.get $payload_length) (i32.const 7))
          (then (i64.store (i32.sub (i32.add (local.get $at) (local.get $length)) (i32.const 8)) (i64.const 0))))
        (if (i32.and (i32.ne (local.get $header_length) (i32.const 0)) (i32.ne (local.get $header) (i32.const -1)))
          (then (call $copy (i32.add (local.get $at) (i32.const 16)) (local.get $header) (local.get $header_length))))
        (if (i32.ne (local.get $payload) (i32.const -1))
          (then
            (if (i32.gt_u (local.get $payload_length) (i32.const 256))
              (then
                (memory.copy
                  (i32.add (i32.add (local.get $at) (i32.const 16)) (local.get $header_length))
                  (local.get $payload)
                  (local.get $payload_length)))
              (else
                (call $copy
                  (i32.add (i32.add (local.get $at) (i32.const 16)) (local.get $header_length))
                  (local.get $payload)
                  (local.get $payload_length))))))
        ;; trailer: u32 0, u32 where the packet began
        (i64.store (i32.add (local.get $at) (local.get $length))
          (i64.shl (i64.extend_i32_u (local.get $write)) (i64.const 32)))
        (local.set $end (select (i32.const 0) (local.get $end) (i32.eq (local.get $end) (local.get $size)))))
      (else
        ;; around the end, which may come between any two parts of 8 bytes
        (v128.store64_lane 0 (local.get $at) (local.get $descriptor))
        (v128.store64_lane 1
          (call $place (local.get $data) (local.get $size) (i32.add (local.get $write) (i32.const 8)))
          (local.get $descriptor))
        (if (i32.and (local.get $payload_length) (i32.const 7))
          (then
            (i64.store
              (call $place (local.get $data) (local.get $size) (i32.sub (local.get $end) (i32.const 16)))
              (i64.const 0))))
        (local.set $at (i32.add (local.get $write) (i32.const 16)))
        (if (i32.ne (local.get $header) (i32.const -1))
          (then
            (call $copy_in
              (local.get $data) (local.get $size) (local.get $at) (local.get $header) (local.get $header_length))))
        (local.set $at (i32.add (local.get $at) (local.get $header_length)))
        (if (i32.ne (local.get $payload) (i32.const -1))
          (then
            (call $copy_in
              (local.get $data) (local.get $size) (local.get $at) (local.get $payload) (local.get $payload_length))))
        (i64.store
          (call $place (local.get $data) (local.get $size) (i32.sub (local.get $end) (i32.const 8)))
          (i64.shl (i64.extend_i32_u (local.get $write)) (i64.const 32)))
        (local.set $end (i32.sub (local.get $end) (local.get $size)))))
    (i32.store offset=8 (local.get $p) (local.get $end))
    (i64.store offset=40 (local.get $p) (i64.add (i64.load offset=40 (local.get $p)) (i64.const 1)))
    (local.set $at (i32.load offset=20 (local.get $p)))
    (if (local.get $at)
      (then
        (if (i32.le_u (local.get $at) (i32.add (local.get $length) (i32.const 8)))
          (then (call $cancel_pending (local.get $p))))))
    ;; in a batch, or after one that waits to be published: the long way
    (if (i32.or
          (i32.eqz (local.get $public))
          (i32.or
            (i32.ne (local.get $write) (i32.load offset=12 (local.get $p)))
            (i32.load offset=28 (local.get $p))))
      (then
        (i64.store offset=56 (local.get $p) (i64.add (i64.load offset=56 (local.get $p)) (i64.const 1)))
        (if (i32.eqz (local.get $public)) (then (return (i32.const 0))))
        (return (call $publish (local.get $p)))))
    ;; as $make_public
    (i32.store offset=12 (local.get $p) (local.get $end))
    (i32.atomic.store (local.get $ring) (local.get $end))
    (if (i32.atomic.load offset=8 (local.get $ring)) (then (return (i32.const 0))))
    (local.set $read (i32.atomic.load offset=4 (local.get $ring)))
    (if (i32.or (i32.ge_u (local.get $read) (local.get $size)) (i32.and (local.get $read) (i32.const 7)))
      (then
        (i32.store offset=32 (local.get $p) (i32.const 1))
        (i32.store offset=36 (local.get $p) (local.get $read))
        (return (i32.const 3))))
    (i32.store offset=16 (local.get $p) (local.get $read))
    (if (i32.ne (local.get $read) (local.get $write)) (then (return (i32.const 0))))
    (i64.store offset=48 (local.get $p) (i64.add (i64.load offset=48 (local.get $p)) (i64.const 1)))
    (i32.const 1))

  ;; Publishes a batch. Result: 0 no signal, 1 a signal is due, 3 dead ring.
  (func $publish (export "publish") (param $p i32) (result i32)
    (if (i32.load offset=32 (local.get $p)) (then (return (i32.const 3))))
    (if (i32.ne (i32.load offset=8 (local.get $p)) (i32.load offset=12 (local.get $p)))
      (then
        (call $make_public (local.get $p))
        (if (i32.load offset=32 (local.get $p)) (then (return (i32.const 3))))))
    (if (i32.eqz (i32.load offset=28 (local.get $p))) (then (return (i32.const 0))))
    (i32.store offset=28 (local.get $p) (i32.const 0))
    (i32.const 1))

  (func $cancel_pending (export "cancel_pending") (param $p i32)
    (i32.store offset=20 (local.get $p) (i32.const 0))
    (i32.atomic.store offset=12 (i32.load (local.get $p)) (i32.const 0)))

  ;; Looks at the producer's index. Result: 1, or 0 when it cannot be, which kills the ring.
  (func $refresh_write (param $c i32) (result i32)
    (local $write i32)
    (local.set $write (i32.atomic.load (i32.load (local.get $c))))
    (if (i32.or
          (i32.ge_u (local.get $write) (i32.load offset=4 (local.get $c)))
          (i32.and (local.get $write) (i32.const 7)))
      (then
        (i32.store offset=32 (local.get $c) (i32.const 1))
        (i32.store offset=36 (local.get $c) (local.get $write))
        (return (i32.const 0))))
    (i32.store offset=16 (local.get $c) (local.get $write))
    (i32.const 1))

  ;; Bytes to read by the indices in a consumer's state.
  (func $waiting (param $c i32) (result i32)
    (local $read i32) (local $write i32)
    (local.set $read (i32.load offset=8 (local.get $c)))
    (local.set $write (i32.load offset=16 (local.get $c)))
    (i32.add
      (i32.sub (local.get $write) (local.get $read))
      (select (i32.load offset=4 (local.get $c)) (i32.const 0) (i32.gt_u (local.get $read) (local.get $write)))))

  ;; Copies the next packet to the scratch: its descriptor, which is checked in its copy, then the rest. If $give_back,
  ;; commits it, and whatever was taken before.
  ;; Result: 0 empty, 1 packet, 2 too long (in the scratch its lengths, both the whole, and else 0), 3 dead ring; and 4 more
  ;; when the producer must be signalled.
  (func (export "next") (param $c i32) (param $give_back i32) (result i32)
    (local $size i32) (local $read i32) (local $next i32) (local $taken i32) (local $pending i32) (local $write i32) (local $readable i32) (local $from i32)
    (local $descriptor v128) (local $header_length i32) (local $length i32) (local $end i32)
    (if (i32.load offset=32 (local.get $c)) (then (return (i32.const 3))))
    (local.set $read (i32.load offset=8 (local.get $c)))
    (local.set $write (i32.load offset=16 (local.get $c)))
    (local.set $size (i32.load offset=4 (local.get $c)))
    (if (i32.eq (local.get $read) (local.get $write))
      (then
        (local.set $write (i32.atomic.load (i32.load (local.get $c))))
        (if (i32.eq (local.get $read) (local.get $write)) (then (return (i32.const 0))))
        (if (i32.or (i32.ge_u (local.get $write) (local.get $size)) (i32.and (local.get $write) (i32.const 7)))
          (then
            (i32.store offset=32 (local.get $c) (i32.const 1))
            (i32.store offset=36 (local.get $c) (local.get $write))
            (return (i32.const 3))))
        (i32.store offset=16 (local.get $c) (local.get $write))))
    (local.set $readable
      (i32.add
        (i32.sub (local.get $write) (local.get $read))
        (select (local.get $size) (i32.const 0) (i32.gt_u (local.get $read) (local.get $write)))))
    (if (i32.lt_u (local.get $readable) (i32.const 24))
      (then
        (i32.store offset=32 (local.get $c) (i32.const 3))
        (i32.store offset=36 (local.get $c) (local.get $readable))
        (return (i32.const 3))))
    (local.set $from (i32.add (i32.add (i32.load (local.get $c)) (i32.const 4096)) (local.get $read)))
    (local.set $descriptor
      (if (result v128) (i32.le_u (i32.add (local.get $read) (i32.const 16)) (local.get $size))
        (then (v128.load (local.get $from)))
        (else
          (v128.load64_lane 1
            (i32.add (i32.load (local.get $c)) (i32.const 4096))
            (v128.load64_zero (local.get $from))))))
    (v128.store offset=128 (local.get $c) (local.get $descriptor))
    (local.set $header_length (i32.shl (i16x8.extract_lane_u 1 (local.get $descriptor)) (i32.const 3)))
    (local.set $length (i32.shl (i16x8.extract_lane_u 2 (local.get $descriptor)) (i32.const 3)))
    (local.set $end (i32.add (local.get $length) (i32.const 8)))
    (if (i32.or
          (i32.or
            (i32.lt_u (local.get $header_length) (i32.const 16))
            (i32.lt_u (local.get $length) (local.get $header_length)))
          (i32.gt_u (local.get $end) (local.get $readable)))
      (then
        (i32.store offset=32 (local.get $c) (i32.const 4))
        (i32.store offset=36 (local.get $c) (local.get $readable))
        (return (i32.const 3))))
    (local.set $end (i32.add (local.get $read) (local.get $end)))
    (local.set $next
      (i32.sub
        (local.get $end)
        (select (local.get $size) (i32.const 0) (i32.ge_u (local.get $end) (local.get $size)))))
    (i32.store offset=8 (local.get $c) (local.get $next))
    (if (i32.gt_u (local.get $length) (i32.load offset=20 (local.get $c)))
      (then
        (i64.store offset=64 (local.get $c) (i64.add (i64.load offset=64 (local.get $c)) (i64.const 1)))
        (local.set $length (i32.shr_u (local.get $length) (i32.const 3)))
        (i32.store offset=128 (local.get $c) (i32.shl (local.get $length) (i32.const 16)))
        (i32.store offset=132 (local.get $c) (local.get $length))
        (i64.store offset=136 (local.get $c) (i64.const 0))
        (if (i32.eqz (local.get $give_back)) (then (return (i32.const 2))))
        (return (i32.or (i32.const 2) (i32.shl (call $commit (local.get $c)) (i32.const 2))))))
    (if (i32.le_u (local.get $end) (local.get $size))
      (then
        (if (i32.gt_u (local.get $length) (i32.const 256))
          (then
            (memory.copy
              (i32.add (local.get $c) (i32.const 144))
              (i32.add (local.get $from) (i32.const 16))
              (i32.sub (local.get $length) (i32.const 16))))
          (else
            (call $copy
              (i32.add (local.get $c) (i32.const 144))
              (i32.add (local.get $from) (i32.const 16))
              (i32.sub (local.get $length) (i32.const 16))))))
      (else
        (call $copy_out
          (i32.add (i32.load (local.get $c)) (i32.const 4096))
          (local.get $size)
          (i32.add (local.get $read) (i32.const 16))
          (i32.add (local.get $c) (i32.const 144))
          (i32.sub (local.get $length) (i32.const 16)))))
    (i64.store offset=40 (local.get $c) (i64.add (i64.load offset=40 (local.get $c)) (i64.const 1)))
    (if (i32.eqz (local.get $give_back)) (then (return (i32.const 1))))
    ;; as $commit
    (local.set $taken (i32.sub (local.get $next) (i32.load offset=12 (local.get $c))))
    (i32.store offset=12 (local.get $c) (local.get $next))
    (i32.atomic.store offset=4 (i32.load (local.get $c)) (local.get $next))
    (local.set $pending (i32.atomic.load offset=12 (i32.load (local.get $c))))
    (if (i32.eqz (local.get $pending)) (then (return (i32.const 1))))
    (i32.or
      (i32.const 1)
      (i32.shl (call $owed (local.get $c) (local.get $taken) (local.get $pending)) (i32.const 2))))

  ;; Whether a producer that asks for $pending bytes has room for them by the step of the last $taken bytes, which have been
  ;; given back. Result: 1 or 0.
  (func $owed (param $c i32) (param $taken i32) (param $pending i32) (result i32)
    (local $free i32)
    (if (i32.eqz (i32.and (i32.atomic.load offset=64 (i32.load (local.get $c))) (i32.const 1)))
      (then (return (i32.const 0))))
    (if (i32.eqz (call $refresh_write (local.get $c))) (then (return (i32.const 0))))
    (if (i32.lt_s (local.get $taken) (i32.const 0))
      (then (local.set $taken (i32.add (local.get $taken) (i32.load offset=4 (local.get $c))))))
    (local.set $free (i32.sub (i32.load offset=4 (local.get $c)) (call $waiting (local.get $c))))
    ;; some producers store the ring size less one
    (local.set $pending (i32.and (local.get $pending) (i32.const -8)))
    (if (i32.ge_u (local.get $pending) (local.get $free)) (then (return (i32.const 0))))
    ;; not enough before this step: free less taken up to pending
    (if (i32.gt_s (i32.sub (local.get $free) (local.get $taken)) (local.get $pending)) (then (return (i32.const 0))))
    (i64.store offset=48 (local.get $c) (i64.add (i64.load offset=48 (local.get $c)) (i64.const 1)))
    (i32.const 1))

  ;; Gives the room of all packets taken back. The store is sequentially consistent, so the producer's words are loaded
  ;; after everyone can see it. Result: 1 when the producer waits for room and has it by this step, else 0.
  (func $commit (export "commit") (param $c i32) (result i32)
    (local $ring i32) (local $read i32) (local $taken i32) (local $pending i32)
    (local.set $read (i32.load offset=8 (local.get $c)))
    (local.set $taken (i32.sub (local.get $read) (i32.load offset=12 (local.get $c))))
    (if (i32.eqz (local.get $taken)) (then (return (i32.const 0))))
    (if (i32.load offset=32 (local.get $c)) (then (return (i32.const 0))))
    (i32.store offset=12 (local.get $c) (local.get $read))
    (local.set $ring (i32.load (local.get $c)))
    (i32.atomic.store offset=4 (local.get $ring) (local.get $read))
    (local.set $pending (i32.atomic.load offset=12 (local.get $ring)))
    (if (i32.eqz (local.get $pending)) (then (return (i32.const 0))))
    (call $owed (local.get $c) (local.get $taken) (local.get $pending)))

  (func (export "mask") (param $c i32)
    (i32.atomic.store offset=8 (i32.load (local.get $c)) (i32.const 1)))

  ;; Result: bytes to read, by a fresh look after the unmasking; 0 for a dead ring.
  (func (export "unmask") (param $c i32) (result i32)
    (i32.atomic.store offset=8 (i32.load (local.get $c)) (i32.const 0))
    (call $readable (local.get $c)))

  (func $readable (export "readable") (param $c i32) (result i32)
    (if (i32.load offset=32 (local.get $c)) (then (return (i32.const 0))))
    (if (i32.eqz (call $refresh_write (local.get $c))) (then (return (i32.const 0))))
    (call $waiting (local.get $c)))
)
