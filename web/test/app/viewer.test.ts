import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, nextTick, ref } from 'vue'

import { type Api, ApiError, type ImageDetails } from '../../src/app/api'
import { useResults } from '../../src/app/stores/results'
import { useDetails } from '../../src/app/viewer/details'
import { useNeighbours } from '../../src/app/viewer/neighbours'
import { around, type Picture, Pictures } from '../../src/app/viewer/pictures'
import { partsOf, pieces } from '../../src/app/viewer/prompt'
import { freshSeeds, hasSeed, reseeded } from '../../src/app/viewer/requeue'
import { fitted, held, overflows, swipe, zoomed } from '../../src/app/viewer/zoom'

beforeEach(() => setActivePinia(createPinia()))

describe('zoom', () => {
  const stage = { width: 800, height: 600 }
  const image = { width: 1000, height: 1500 }

  it('fits all of the image in the middle, small ones larger', () => {
    expect(fitted(image, stage)).toEqual({ scale: 0.4, x: 200, y: 0 })
    expect(fitted({ width: 100, height: 100 }, stage)).toEqual({ scale: 6, x: 100, y: 0 })
  })

  it('keeps what is under the pointer where it is', () => {
    const before = zoomed(fitted(image, stage), 5, { x: 400, y: 300 }, image, stage)
    const point = { x: 310, y: 220 }
    const after = zoomed(before, 1.5, point, image, stage)
    const under = (zoom: typeof before): number[] => [(point.x - zoom.x) / zoom.scale, (point.y - zoom.y) / zoom.scale]
    under(before).forEach((at, axis) => expect(under(after)[axis]).toBeCloseTo(at))
  })

  it('never gets smaller than it fits, nor larger than is of use', () => {
    const at = { x: 1, y: 1 }
    expect(zoomed(fitted(image, stage), 0.01, at, image, stage)).toEqual(fitted(image, stage))
    expect(zoomed(fitted(image, stage), 1e6, at, image, stage).scale).toBe(16)
  })

  it('lets no edge come further in than it has to', () => {
    expect(held({ scale: 1, x: 500, y: 500 }, image, stage)).toEqual({ scale: 1, x: 0, y: 0 })
    expect(held({ scale: 1, x: -5000, y: -5000 }, image, stage)).toEqual({ scale: 1, x: -200, y: -900 })
    expect(overflows(fitted(image, stage), image, stage)).toBe(false)
    expect(overflows({ scale: 1, x: 0, y: 0 }, image, stage)).toBe(true)
  })

  it('takes a long or a quick stroke for a swipe, and none that goes down', () => {
    expect(swipe({ x: -150, y: 20 }, 900, stage)).toBe('next')
    expect(swipe({ x: 60, y: 5 }, 120, stage)).toBe('previous')
    expect(swipe({ x: 60, y: 5 }, 900, stage)).toBeNull()
    expect(swipe({ x: -150, y: 140 }, 200, stage)).toBeNull()
  })
})

describe('pictures ahead', () => {
  function made() {
    const begun: string[] = []
    const finish = new Map<string, (ok?: boolean) => void>()
    const pictures = new Pictures((url) => {
      begun.push(url)
      let done = (): void => undefined
      const picture: Picture = { element: { src: url } as HTMLImageElement, state: 'loading', done: new Promise((resolve) => (done = resolve)) }
      finish.set(url, (ok = true) => {
        picture.state = ok ? 'ready' : 'failed'
        done()
      })
      return picture
    })
    return { pictures, begun, finish }
  }
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

  it('goes from the nearest outwards, ahead first, within the list', () => {
    expect(around(5, 100)).toEqual([6, 4, 7, 3, 8, 2])
    expect(around(0, 3)).toEqual([1, 2])
    expect(around(99, 100)).toEqual([98, 97, 96])
  })

  it('loads one after another, each once', async () => {
    const { pictures, begun, finish } = made()
    void pictures.want(['a', 'b', 'c'])
    expect(begun).toEqual(['a'])
    finish.get('a')?.()
    await turn()
    expect(begun).toEqual(['a', 'b'])
    expect(pictures.get('a').state).toBe('ready')
    expect(begun).toEqual(['a', 'b'])
  })

  it('lets go what is no longer wanted, and what was wanted before does not go on', async () => {
    const { pictures, begun, finish } = made()
    void pictures.want(['a', 'b', 'c'])
    const a = pictures.get('a')
    void pictures.want(['b', 'd'])
    expect(a.element.src).toBe('')
    finish.get('a')?.(false)
    finish.get('b')?.()
    await turn()
    expect(begun).toEqual(['a', 'b', 'd'])
    expect(pictures.size).toBe(2)
  })

  it('tries a picture that failed again when it is looked at again', async () => {
    const { pictures, begun, finish } = made()
    void pictures.want(['a', 'b'])
    finish.get('a')?.(false)
    await turn()
    expect(begun).toEqual(['a', 'b']) // one that fails holds up nobody
    pictures.get('a')
    expect(begun).toEqual(['a', 'b', 'a'])
  })
})

describe('the images before and behind', () => {
  async function shown(ids: number[], id: number) {
    const results = useResults()
    results.use({ cards: () => Promise.resolve([]) } as unknown as Api)
    results.ids = new Int32Array(ids)
    const now = ref(id)
    const near = effectScope(true).run(() => useNeighbours(() => now.value))
    if (!near) throw new Error('no scope')
    await nextTick()
    return { results, now, near }
  }

  it('are those of the list', async () => {
    const { near } = await shown([10, 20, 30], 20)
    expect([near.place.value, near.previous.value, near.next.value, near.first.value, near.last.value]).toEqual([1, 10, 30, 10, 30])
  })

  it('end at its ends', async () => {
    expect((await shown([10, 20], 20)).near.next.value).toBeNull()
    expect((await shown([10, 20], 10)).near.previous.value).toBeNull()
  })

  it('stay around the image when others arrive', async () => {
    const { results, near } = await shown([10, 20, 30], 20)
    results.ids = new Int32Array([40, 50, 10, 20, 30])
    expect([near.place.value, near.previous.value, near.next.value]).toEqual([3, 10, 30])
  })

  it('are where the image was after it has left the list', async () => {
    const { results, near } = await shown([10, 20, 30, 40], 20)
    results.ids = new Int32Array([10, 30, 40])
    await nextTick()
    expect([near.place.value, near.previous.value, near.next.value]).toEqual([-1, 10, 30])
  })

  it('are the first ones for an image that never was in it', async () => {
    const { near } = await shown([10, 20], 99)
    expect([near.place.value, near.previous.value, near.next.value]).toEqual([-1, null, 10])
  })
})

describe('details', () => {
  const full = (id: number, note: string): ImageDetails => ({ id, note }) as ImageDetails

  it('are asked for once, and again when the server says so', async () => {
    const image = vi.fn((id: number) => Promise.resolve(full(id, `v${String(image.mock.calls.length)}`)))
    const details = useDetails()
    details.use({ image } as unknown as Api)
    await Promise.all([details.need(1), details.need(1)])
    await details.need(1)
    expect(image).toHaveBeenCalledTimes(1)
    details.told([1, 2])
    await vi.waitFor(() => expect(details.known.get(1)?.note).toBe('v2'))
    expect(image).toHaveBeenCalledTimes(2)
  })

  it('do not go back behind what was shown meanwhile', async () => {
    const answers: ((image: ImageDetails) => void)[] = []
    const details = useDetails()
    details.use({ image: () => new Promise<ImageDetails>((resolve) => answers.push(resolve)) } as unknown as Api)
    details.known.set(1, full(1, 'old'))
    const running = details.refresh(1)
    details.put(1, full(1, 'mine'))
    answers[0]?.(full(1, 'stale'))
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    expect(details.known.get(1)?.note).toBe('mine')
    answers[1]?.(full(1, 'fresh'))
    await running
    expect(details.known.get(1)?.note).toBe('fresh')
  })

  it('keep what the server says against an image', async () => {
    const details = useDetails()
    details.use({ image: () => Promise.reject(new ApiError('unknown-item', 'there is no image 5', '')) } as unknown as Api)
    await details.need(5)
    expect(details.problems.get(5)?.message).toBe('there is no image 5')
  })
})

describe('the prompt', () => {
  it('shows the values in it, longer ones first, and no part of a word', () => {
    const values = { Hair: { text: 'red' }, Coat: { text: 'red coat' }, Pose: { text: 'sitting' } }
    const found = pieces('hundred women, red coat, red hair', values)
    expect(found.filter(({ placeholder }) => placeholder)).toEqual([
      { text: 'red coat', placeholder: 'Coat' },
      { text: 'red', placeholder: 'Hair' }
    ])
    expect(found.map(({ text }) => text).join('')).toBe('hundred women, red coat, red hair')
  })

  it('knows the parts of a value with several', () => {
    expect(partsOf('{"positive": "snow", "negative": "sun"}')).toEqual(['snow', 'sun'])
    expect(partsOf('{not json')).toEqual(['{not json'])
    expect(partsOf('  ')).toEqual([])
  })

  it('is itself where no value is in it', () => {
    expect(pieces('a cat', { Hair: { text: 'red' }, None: { text: '' } })).toEqual([{ text: 'a cat', placeholder: '' }])
    expect(pieces('', {})).toEqual([])
  })
})

describe('queueing again', () => {
  const graph = {
    '3': { class_type: 'KSampler', inputs: { seed: 42, steps: 20, model: ['4', 0] }, _meta: { title: 'x' } },
    '5': { class_type: 'KSamplerAdvanced', inputs: { noise_seed: 42, other: 42 } },
    '6': { class_type: 'KSampler', inputs: { seed: 7 } },
    '7': { class_type: 'KSampler', inputs: { seed: ['8', 0] } },
    '9': { class_type: 'SDGenSessionSave', inputs: { images: ['3', 0], file_name: 'a', item: 'token' } }
  }

  it('changes the seed of the image, and no other number', () => {
    const made = reseeded(graph, '42', 1000) as typeof graph
    expect(made['3']).toEqual({ class_type: 'KSampler', inputs: { seed: 1000, steps: 20, model: ['4', 0] }, _meta: { title: 'x' } })
    expect(made['5'].inputs).toEqual({ noise_seed: 1000, other: 42 })
    expect([made['6'].inputs.seed, made['7'].inputs.seed]).toEqual([7, ['8', 0]])
    expect(graph['3'].inputs.seed).toBe(42)
  })

  it('gives the save node no item, for the image is none of the session', () => {
    expect((reseeded(graph, '42', 1) as typeof graph)['9'].inputs.item).toBe('')
  })

  it('names the file after the new seed and saves it in the folder of sessions', () => {
    const saved = (prefix: unknown): unknown => {
      const one = { '1': { class_type: 'SaveImage', inputs: { images: ['3', 0], filename_prefix: prefix } } }
      return (reseeded(one, '42', 1000) as typeof one)['1'].inputs.filename_prefix
    }
    expect(saved('cats_0001_seed-42')).toBe('sdgen/cats_0001_seed-1000')
    expect(saved('mine/cats')).toBe('mine/cats')
    expect(saved(['2', 10])).toEqual(['2', 10])
  })

  it('sees whether a graph has the seed, large ones too', () => {
    expect(hasSeed(graph, '42')).toBe(true)
    expect(hasSeed(graph, '43')).toBe(false)
    expect(hasSeed({ '1': { inputs: { seed: 2 ** 63 } } }, '9223372036854775808')).toBe(true)
    expect(hasSeed({ '1': {} }, '1')).toBe(false)
  })

  it('takes seeds that are all different', () => {
    const numbers = [0.5, 0.5, 0.25]
    expect(freshSeeds(2, '0', () => numbers.shift() ?? 0.75)).toEqual([2 ** 47, 2 ** 46])
    expect(new Set(freshSeeds(50, '1')).size).toBe(50)
  })
})
