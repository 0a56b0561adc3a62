/** Making an image again with other seeds, from the graph in its file. */

type Graph = Record<string, { class_type?: string; inputs?: Record<string, unknown> }>

const SEEDS = new Set(['seed', 'noise_seed'])
const SAVER = 'SDGenSessionSave'
/** Where sessions are saved below ComfyUI's output folder, unless somebody set another place. */
const FOLDER = 'sdgen'
/** ComfyUI's page counts seeds in numbers that JavaScript holds exactly. */
const MOST = 2 ** 48

/** Whether a graph in its API form has the image's seed somewhere. */
export function hasSeed(graph: object, seed: string): boolean {
  return Object.values(graph as Graph).some(({ inputs = {} }) => Object.entries(inputs).some((input) => isSeed(input, seed)))
}

function isSeed([name, value]: [string, unknown], seed: string): boolean {
  return SEEDS.has(name) && typeof value === 'number' && value === Number(seed)
}

/**
 * The graph with another seed wherever the image's own stands, also in the name of its file. A session's save node gets no item: the image
 * is none of the session's, and is saved in the folder that sessions are in.
 */
export function reseeded(graph: object, seed: string, fresh: number): object {
  const out: Graph = {}
  for (const [id, node] of Object.entries(graph as Graph)) {
    const inputs = Object.entries(node.inputs ?? {}).map((input) => [input[0], isSeed(input, seed) ? fresh : input[1]] as const)
    const given = Object.fromEntries<unknown>(inputs)
    if (node.class_type === SAVER) given.item = ''
    if (typeof given.filename_prefix === 'string') given.filename_prefix = besideSessions(given.filename_prefix, seed, fresh)
    out[id] = { ...node, inputs: given }
  }
  return out
}

function besideSessions(prefix: string, seed: string, fresh: number): string {
  const name = prefix.replace(`seed-${seed}`, `seed-${fresh}`)
  return name.includes('/') ? name : `${FOLDER}/${name}`
}

/** Different seeds, none of them `seed`. */
export function freshSeeds(count: number, seed: string, random: () => number = Math.random): number[] {
  const out = new Set<number>()
  while (out.size < count) {
    const one = Math.floor(random() * MOST)
    if (one !== Number(seed)) out.add(one)
  }
  return [...out]
}
