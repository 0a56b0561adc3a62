/** An image on its way to ComfyUI: its workflow onto the canvas, its file among those that nodes load. */

import { type Api, ApiError, type Card } from '../api'
import type { Platform } from '../platform'

type Image = Pick<Card, 'id' | 'file'>

/** Open the workflow that an image was made by. False: its file has none. */
export async function openOnCanvas(api: Api, platform: Platform, { id, file }: Image): Promise<boolean> {
  const { workflow, prompt } = await api.metadata(id)
  const name = file.replace(/^.*\//, '').replace(/\.\w+$/, '')
  if (workflow && platform.openWorkflow) await platform.openWorkflow(workflow, name)
  else if (prompt && platform.openGraph) await platform.openGraph(prompt, name)
  else return false
  return true
}

/** Have a copy of an image in a node that loads images; gives its name and the node's title. */
export async function sendToNode(api: Api, platform: Platform, image: Image): Promise<[name: string, node: string]> {
  const name = await copyToInput(api, platform, image)
  return [name, platform.loadInNode?.(name) ?? '']
}

/** Copy an image into ComfyUI's input folder, by ComfyUI's own upload; gives its name there. */
async function copyToInput(api: Api, platform: Platform, { id, file }: Image): Promise<string> {
  const form = new FormData()
  form.append('image', await api.file(id), file.replace(/^.*\//, ''))
  form.append('type', 'input')
  const answer = await platform.fetch('/upload/image', { method: 'POST', body: form })
  if (!answer.ok) throw new ApiError('server-error', `${String(answer.status)} ${answer.statusText}`, '')
  return ((await answer.json()) as { name: string }).name
}
