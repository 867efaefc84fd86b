/** Persistent reservations. Source: SPC-4. */
import { bytes, layout, reserved, rest, restBytes, u8, u16be, u32be } from '../struct/index.ts'

export const persistentReserveOutList = layout(
  'persistent_reserve_out_parameter_list',
  {
    reservation_key: bytes(8),
    service_action_reservation_key: bytes(8),
    obsolete1: reserved(4),
    flags: u8,
    reserved1: reserved(1),
    obsolete2: reserved(2),
  },
  { size: 24 },
)
/** Bits of `flags` of the parameter list. */
export const PersistentReserveFlag = { APTPL: 0x01, ALL_TG_PT: 0x04, SPEC_I_PT: 0x08 } as const

/** READ KEYS and READ RESERVATION: generation, bytes that follow, and those. */
export const persistentReserveInHeader = layout(
  'persistent_reserve_in_header',
  { generation: u32be, additional_length: u32be, data: restBytes },
  { size: 8 },
)

export const readReservationDescriptor = layout(
  'read_reservation_descriptor',
  { reservation_key: bytes(8), obsolete1: reserved(4), reserved1: reserved(1), scope_type: u8, obsolete2: reserved(2) },
  { size: 16 },
)

export const persistentReserveCapabilities = layout(
  'persistent_reserve_capabilities',
  { length: u16be, flags: u8, more_flags: u8, type_mask: u16be, reserved: reserved(2) },
  { size: 8 },
)

export const fullStatusDescriptor = layout(
  'full_status_descriptor',
  {
    reservation_key: bytes(8),
    reserved1: reserved(4),
    flags: u8,
    scope_type: u8,
    reserved2: reserved(4),
    relative_target_port: u16be,
    additional_length: u32be,
    transport_id: rest(u8),
  },
  { size: 24 },
)

export const ReservationType = {
  WRITE_EXCLUSIVE: 1,
  EXCLUSIVE_ACCESS: 3,
  WRITE_EXCLUSIVE_REGISTRANTS_ONLY: 5,
  EXCLUSIVE_ACCESS_REGISTRANTS_ONLY: 6,
  WRITE_EXCLUSIVE_ALL_REGISTRANTS: 7,
  EXCLUSIVE_ACCESS_ALL_REGISTRANTS: 8,
} as const
