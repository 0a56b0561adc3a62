/** The template folders as the page knows them: asked every few seconds, for no more than whether anything in them has changed. */

import { get } from './host'

/** The entry of the node's list that means the text typed in the node. */
export const TEXT_BELOW = '(the text below)'

/** How many looks are left out after one that failed, so that an absent server is not asked all the time. */
const REST = 9

export class Library {
  /** What the node's list offers; undefined until the server has answered. */
  files: string[] | undefined
  private version = ''
  private rest = 0

  /** `changed` is called when a template file is new, gone, or not what it was. */
  constructor(private readonly changed: () => void) {}

  /** Look at the folders; `always` tells of a change in any case. */
  async look(always = false): Promise<void> {
    if (!always && this.rest-- > 0) return
    this.rest = 0
    try {
      const route = `/sdgen/templates?since=${encodeURIComponent(this.version)}`
      const { version, templates } = (await get(route)) as { version: string; templates?: string[] }
      this.version = version
      if (templates) this.files = [TEXT_BELOW, ...templates]
      if (templates || always) this.changed()
    } catch {
      this.rest = REST // the previews say what is wrong
    }
  }
}
