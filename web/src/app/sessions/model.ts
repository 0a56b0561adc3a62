import type { components } from '../openapi'

type Schemas = components['schemas']

export type SessionCard = Schemas['SessionCard']
export type SessionList = Schemas['SessionList']
export type SessionBounds = Schemas['SessionBounds']
export type SessionDetails = Schemas['SessionDetails']
/** A session of this ComfyUI's ledger; its id is the slug that the library knows it by. */
export type Order = Schemas['Status']
export type Verified = Schemas['Verified']

/** What a small window can ask, or show, about a session. */
export type Form = 'name' | 'note' | 'tags' | 'extend' | 'facts'

/** States in which a session makes images, or will by itself. */
export const ACTIVE: readonly string[] = ['planned', 'running']
