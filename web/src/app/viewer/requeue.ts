/** Making an image again with other seeds, from the graph in its file. */

type Graph = Record<string, { class_type?: string; inputs?: Record<string, unknown> }>

const SEEDS = new Set(['seed', 'noise_seed'])
const SAVER = 'SDGenSessionSave'
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
 * The graph with another seed wherever the image's own stands. A session's save node gets no item: the image is none of the session's,
 * and is saved beside it.
 */
export function reseeded(graph: object, seed: string, fresh: number): object {
  const out: Graph = {}
  for (const [id, node] of Object.entries(graph as Graph)) {
    const inputs = Object.entries(node.inputs ?? {}).map((input) => [input[0], isSeed(input, seed) ? fresh : input[1]] as const)
    const given = Object.fromEntries<unknown>(inputs)
    if (node.class_type === SAVER) given.item = ''
    out[id] = { ...node, inputs: given }
  }
  return out
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
