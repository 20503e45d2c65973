/**
 * Writes `gen/transport.ts`, the accessors of `transport.capnp`:
 *
 *     deno run -A transport/schema/generate.ts
 *
 * capnp-ts has no compiler of its own on npm that runs with today's TypeScript, so this script asks
 * Debian's `capnp` for the parsed schema (a CodeGeneratorRequest) and emits what ravn needs of it:
 * one class a struct over capnp-ts, plus the layouts by which frames are checked. Only the features
 * that the schema uses are known; anything else stops the script.
 */
import { Message } from "capnp-ts";
import {
  CodeGeneratorRequest,
  Field,
  Field_Which,
  type Node,
  Node_Which,
  type Type,
  Type_Which,
} from "capnp-ts/src/std/schema.capnp.js";

const SCHEMA = new URL("./transport.capnp", import.meta.url);
const TARGET = new URL("../gen/transport.ts", import.meta.url);

/** SHA-256 of the schema file, in hex: the generated file carries it, a test compares. */
export async function schemaHash(): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(SCHEMA));
  return new Uint8Array(digest).toHex();
}

async function parseSchema(): Promise<CodeGeneratorRequest> {
  const { success, stdout, stderr } = await new Deno.Command("capnp", {
    args: ["compile", "-o-", SCHEMA.pathname],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const message = new Message(stdout, false);
  return message.getRoot(CodeGeneratorRequest);
}

/** Accessor name and TypeScript type of the number types that the schema uses. */
const NUMBERS = new Map<Type_Which, { accessor: string; type: string; bytes: 1 | 2 | 4 | 8 }>([
  [Type_Which.UINT16, { accessor: "Uint16", type: "number", bytes: 2 }],
  [Type_Which.UINT32, { accessor: "Uint32", type: "number", bytes: 4 }],
  [Type_Which.UINT64, { accessor: "Uint64", type: "bigint", bytes: 8 }],
  [Type_Which.FLOAT64, { accessor: "Float64", type: "number", bytes: 8 }],
  [Type_Which.ENUM, { accessor: "Uint16", type: "number", bytes: 2 }],
]);

class Emitter {
  readonly #nodes = new Map<bigint, Node>();
  readonly #emitted = new Set<bigint>();
  readonly lines: string[] = [];

  constructor(request: CodeGeneratorRequest) {
    request.nodes.forEach((node) => this.#nodes.set(node.id, node));
  }

  #nameOf(id: bigint): string {
    const node = this.#nodes.get(id)!;
    return node.displayName.slice(node.displayNamePrefixLength);
  }

  enums(): void {
    for (const node of this.#nodes.values()) {
      if (node.which() !== Node_Which.ENUM) continue;
      const names = node.enum.enumerants.map((enumerant) => JSON.stringify(enumerant.name));
      this.lines.push(
        "",
        `/** Enumerants of ${this.#nameOf(node.id)}, by their number on the wire. */`,
        `export const ${this.#nameOf(node.id)} = [${names.join(", ")}] as const;`,
      );
    }
  }

  structs(): void {
    for (const node of this.#nodes.values()) {
      if (node.which() === Node_Which.STRUCT) this.#struct(node);
    }
  }

  /** A struct, after those that it refers to. */
  #struct(node: Node): void {
    if (this.#emitted.has(node.id)) return;
    this.#emitted.add(node.id);
    const fields = node.struct.fields.toArray();
    for (const field of fields) {
      if (field.which() !== Field_Which.SLOT) {
        throw new Error(`${field.name}: groups are not known`);
      }
      if (field.slot.hadExplicitDefault) throw new Error(`${field.name}: defaults are not known`);
      const target = structIdOf(field.slot.type);
      if (target !== undefined) this.#struct(this.#nodes.get(target)!);
    }
    const name = this.#nameOf(node.id);
    const { dataWordCount, pointerCount } = node.struct;
    const discriminant = node.struct.discriminantOffset * 2;
    this.lines.push(
      "",
      `export class ${name} extends Struct {`,
      `  static override readonly _capnp = {`,
      `    displayName: "${name}",`,
      `    id: "${node.id.toString(16).padStart(16, "0")}",`,
      `    size: new ObjectSize(${dataWordCount * 8}, ${pointerCount}),`,
      `  };`,
      ...this.#layout(node, fields),
      ...offsets(fields, membersOf(fields).map((field) => field.name)),
      ...fields.flatMap((field) => this.#accessors(field, discriminant)),
      ...(node.struct.discriminantCount === 0 ? [] : [
        `  which(): number { return Struct.getUint16(${discriminant}, this); }`,
      ]),
      `}`,
    );
  }

  #layout(node: Node, fields: readonly Field[]): string[] {
    const pointers = new Array<string>(node.struct.pointerCount).fill("");
    const members = membersOf(fields).map((field) => field.slot);
    for (const { slot, discriminantValue } of fields) {
      const { type, offset } = slot;
      if (discriminantValue !== Field.NO_DISCRIMINANT) pointers[offset] = `{ kind: "union" }`;
      else if (type.which() === Type_Which.TEXT) pointers[offset] = `{ kind: "text" }`;
      else if (type.which() === Type_Which.DATA) pointers[offset] = `{ kind: "data" }`;
      else if (type.which() === Type_Which.LIST) pointers[offset] = this.#listLayout(type);
      else numberOf(type);
    }
    const at = node.struct.discriminantOffset * 2;
    const layouts = members.map(({ type }) => `${this.#nameOf(type.struct.typeId)}.layout`);
    return [
      `  static readonly layout: StructLayout = {`,
      `    name: "${this.#nameOf(node.id)}",`,
      `    dataBytes: ${node.struct.dataWordCount * 8},`,
      `    pointers: [${pointers.join(", ")}],`,
      ...(members.length === 0 ? [] : [
        `    union: { at: ${at}, pointer: ${members[0]!.offset}, members: [${
          layouts.join(", ")
        }] },`,
      ]),
      `  };`,
    ];
  }

  #listLayout(type: Type): string {
    const element = type.list.elementType;
    if (element.which() === Type_Which.STRUCT) {
      return `{ kind: "structs", of: ${this.#nameOf(element.struct.typeId)}.layout }`;
    }
    return `{ kind: "numbers", elementBytes: ${numberOf(element).bytes} }`;
  }

  #accessors(field: Field, discriminant: number): string[] {
    const { type, offset } = field.slot;
    const { name } = field;
    switch (type.which()) {
      case Type_Which.TEXT:
        return [
          getter(name, "string", `Struct.getText(${offset}, this)`),
          setter(name, "string", `Struct.setText(${offset}, value, this)`),
        ];
      case Type_Which.DATA:
        return [
          getter(name, "Data", `Struct.getData(${offset}, this)`),
          method(name, "length: number", "Data", `Struct.initData(${offset}, length, this)`),
        ];
      case Type_Which.STRUCT: {
        const target = this.#nameOf(type.struct.typeId);
        return [
          getter(name, target, `Struct.getStruct(${offset}, ${target}, this)`),
          `  init${capital(name)}(): ${target} {`,
          `    Struct.setUint16(${discriminant}, ${field.discriminantValue}, this);`,
          `    return Struct.initStructAt(${offset}, ${target}, this);`,
          `  }`,
        ];
      }
      case Type_Which.LIST: {
        const element = type.list.elementType;
        const isStruct = element.which() === Type_Which.STRUCT;
        const of = isStruct ? this.#nameOf(element.struct.typeId) : numberOf(element).type;
        const list = isStruct ? `CompositeList(${of})` : `${numberOf(element).accessor}List`;
        return [
          getter(name, `List<${of}>`, `Struct.getList(${offset}, ${list}, this)`),
          method(
            name,
            "length: number",
            `List<${of}>`,
            `Struct.initList(${offset}, ${list}, length, this)`,
          ),
        ];
      }
      default: {
        const { accessor, type: of, bytes } = numberOf(type);
        return [
          getter(name, of, `Struct.get${accessor}(${offset * bytes}, this)`),
          setter(name, of, `Struct.set${accessor}(${offset * bytes}, value, this)`),
        ];
      }
    }
  }
}

/** Members of the unnamed union, by discriminant. The schema keeps them structs in one pointer. */
function membersOf(fields: readonly Field[]): Field[] {
  return fields.filter((field) => field.discriminantValue !== Field.NO_DISCRIMINANT)
    .toSorted((a, b) => a.discriminantValue - b.discriminantValue);
}

function numberOf(type: Type): { accessor: string; type: string; bytes: 1 | 2 | 4 | 8 } {
  const number = NUMBERS.get(type.which());
  if (!number) throw new Error(`type ${Type_Which[type.which()]} is not known to the generator`);
  return number;
}

function structIdOf(type: Type): bigint | undefined {
  if (type.which() === Type_Which.STRUCT) return type.struct.typeId;
  return type.which() === Type_Which.LIST ? structIdOf(type.list.elementType) : undefined;
}

function capital(name: string): string {
  return name[0]!.toUpperCase() + name.slice(1);
}

function getter(name: string, type: string, body: string): string {
  return `  get ${name}(): ${type} { return ${body}; }`;
}

function setter(name: string, type: string, body: string): string {
  return `  set ${name}(value: ${type}) { ${body}; }`;
}

function method(name: string, parameters: string, type: string, body: string): string {
  return `  init${capital(name)}(${parameters}): ${type} { return ${body}; }`;
}

/** Byte offsets of the fields in the data section, and indices of those in the pointer section. */
function offsets(fields: readonly Field[], members: readonly string[]): string[] {
  const data: string[] = [];
  const pointers: string[] = [];
  for (const { name, slot, discriminantValue } of fields) {
    const number = NUMBERS.get(slot.type.which());
    if (number) data.push(`${name}: ${slot.offset * number.bytes}`);
    else if (discriminantValue === Field.NO_DISCRIMINANT) pointers.push(`${name}: ${slot.offset}`);
  }
  return [
    `  static readonly at = { ${data.join(", ")} } as const;`,
    `  static readonly pointer = { ${pointers.join(", ")} } as const;`,
    ...(members.length === 0 ? [] : [
      `  static readonly members = ${JSON.stringify(members)} as const;`,
    ]),
  ];
}

/** The text of `gen/transport.ts` for the schema as it stands. */
export async function generate(): Promise<string> {
  const emitter = new Emitter(await parseSchema());
  emitter.enums();
  emitter.structs();
  return [
    "// Generated by transport/schema/generate.ts from transport/schema/transport.capnp.",
    "",
    "import {",
    ...["CompositeList", "type Data", "Float64List", "type List", "ObjectSize", "Struct"]
      .map((name) => `  ${name},`),
    "  Uint32List,",
    `} from "capnp-ts";`,
    `import type { StructLayout } from "../layout.ts";`,
    "",
    "/** SHA-256 of the schema that this file was generated from. */",
    `export const SCHEMA_SHA256 = "${await schemaHash()}";`,
    ...emitter.lines,
    "",
  ].join("\n");
}

if (import.meta.main) await Deno.writeTextFile(TARGET, await generate());
