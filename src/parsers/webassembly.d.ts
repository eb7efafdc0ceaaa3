/** The part of the WebAssembly JavaScript interface that line-search.ts uses; the types of Node 20 leave it out. */
declare namespace WebAssembly {
  function validate(bytes: Uint8Array<ArrayBuffer>): boolean
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>)
  }
  class Memory {
    constructor(pages: { initial: number; maximum: number; shared: boolean })
    readonly buffer: ArrayBuffer
  }
  class Instance {
    constructor(module: Module, imports: { readonly [module: string]: { readonly [name: string]: Memory } })
    readonly exports: { readonly [name: string]: unknown }
  }
}
