/** Where the user is, bound to the page's address. */

import { reactive, readonly } from 'vue'

import { readView, type View, writeView } from './address'
import type { Platform } from './platform'

/** The view of a page, bound to its address. */
export class Views {
  private readonly state: View
  readonly now: Readonly<View>

  constructor(private readonly platform: Platform) {
    this.state = reactive(readView(platform.address()))
    this.now = readonly(this.state)
    platform.onAddress(() => Object.assign(this.state, readView(platform.address())))
  }

  /** Go somewhere: a step that the back button takes back. */
  go(change: Partial<View>): void {
    this.set(change, true)
  }

  /** Note what is looked at, without such a step: what changes while one types or scrolls. */
  note(change: Partial<View>): void {
    this.set(change, false)
  }

  private set(change: Partial<View>, push: boolean): void {
    const before = writeView(this.state)
    Object.assign(this.state, change)
    const after = writeView(this.state)
    if (after !== before) this.platform.setAddress(after, push)
  }
}
