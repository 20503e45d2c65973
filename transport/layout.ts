/**
 * Where the parts of a Cap'n Proto struct lie, as the generated code states it: enough to check a
 * message before anything follows a pointer of it.
 *
 * Source: https://capnproto.org/encoding.html
 */
export interface StructLayout {
  readonly name: string;
  /** Bytes of the data section, a multiple of 8. */
  readonly dataBytes: number;
  /** What each word of the pointer section points to. */
  readonly pointers: readonly PointerLayout[];
  /** Set where the struct has an unnamed union: all its members are structs in one pointer word. */
  readonly union?: {
    /** Byte offset of the 16-bit discriminant in the data section. */
    readonly at: number;
    readonly pointer: number;
    /** By discriminant. */
    readonly members: readonly StructLayout[];
  };
}

/** The target of one pointer word. */
export type PointerLayout =
  | { readonly kind: "text" }
  | { readonly kind: "data" }
  | { readonly kind: "numbers"; readonly elementBytes: 1 | 2 | 4 | 8 }
  | { readonly kind: "structs"; readonly of: StructLayout }
  | { readonly kind: "union" };
