/** Small drawings on a square of 20. */
export const ICONS = {
  star: 'M10 2.5l2.3 4.9 5.2.7-3.8 3.7.9 5.3-4.6-2.6-4.6 2.6.9-5.3L2.5 8.1l5.2-.7z',
  up: 'M6 17V9l3.5-6c1.4 0 2 1 1.8 2.3L11 8h4.5c1 0 1.7 1 1.4 2l-1.5 5.6c-.2.8-.9 1.4-1.7 1.4zM3 9h3v8H3z',
  down: 'M14 3v8l-3.5 6c-1.4 0-2-1-1.8-2.3L9 12H4.5c-1 0-1.7-1-1.4-2l1.5-5.6C4.8 3.6 5.5 3 6.3 3zM17 11h-3V3h3z',
  flask: 'M7.5 2.5h5M8.5 2.5v5l-4.7 8c-.6 1 .1 2 1.2 2h10c1.1 0 1.8-1 1.2-2l-4.7-8v-5M6 12.5h8',
  note: 'M4 3.5h12v9l-4 4H4zM16 12.5h-4v4M7 7h6M7 10h4',
  more: 'M4 10h.01M10 10h.01M16 10h.01',
  check: 'M4 10.5l4 4 8-9',
  close: 'M5 5l10 10M15 5L5 15',
  filter: 'M3 4.5h14l-5.5 6.5v5l-3-1.5v-3.5z',
  undo: 'M7 4L3.5 7.5 7 11M4 7.5h8a4.5 4.5 0 0 1 0 9H8',
  redo: 'M13 4l3.5 3.5L13 11M16 7.5H8a4.5 4.5 0 0 0 0 9h4',
  back: 'M12.5 4l-6 6 6 6',
  warn: 'M10 3l7.5 13.5h-15zM10 8v4M10 14.3h.01',
  pause: 'M7 4v12M13 4v12',
  play: 'M6 4l10 6-10 6z',
  folder: 'M2.5 15.5v-11h5l2 2h8v9z',
  panel: 'M3 4h14v12H3zM8 4v12',
  sun: 'M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1',
  select: 'M3.5 3.5h13v13h-13zM6.5 10l2.5 2.5 4.5-5'
} as const

export type IconName = keyof typeof ICONS
