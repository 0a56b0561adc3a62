/** For tools that do not read `.vue` files; the type checker does. */
declare module '*.vue' {
  import type { Component } from 'vue'

  const component: Component
  export default component
}
