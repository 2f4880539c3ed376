import * as z from 'zod'

/** A structural OpenAPI v3 schema, as in a CustomResourceDefinition. */
export interface StructuralSchema {
  type?: string
  format?: string
  description?: string
  properties?: Record<string, StructuralSchema>
  additionalProperties?: StructuralSchema
  items?: StructuralSchema
  required?: string[]
  enum?: string[]
  [keyword: string]: unknown
}

/** Bounds that zod writes for an integer type. In a CRD the format has the same meaning. */
const INTEGERS: Readonly<Record<string, { format: string; minimum: number; maximum: number }>> = {
  int32: { format: 'int32', minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
  safeint: { format: 'int64', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
}

/**
 * Converts a zod schema to a structural schema. `additionalProperties: false` is dropped, because the API
 * server prunes unknown fields. Formats replace the patterns and bounds that zod adds. Throws for a zod type
 * that JSON cannot represent.
 */
export function structural(schema: z.ZodType): StructuralSchema {
  const { $schema: _, ...result } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    override({ zodSchema, jsonSchema }) {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
      // The anyOf has the same meaning. It is the only union in structural schemas.
      if ('x-kubernetes-int-or-string' in jsonSchema) delete jsonSchema.anyOf
      const { def } = zodSchema._zod
      const integer = 'format' in def && typeof def.format === 'string' ? INTEGERS[def.format] : undefined
      if (!integer) return
      jsonSchema.format = integer.format
      if (jsonSchema.minimum === integer.minimum) delete jsonSchema.minimum
      if (jsonSchema.maximum === integer.maximum) delete jsonSchema.maximum
    },
  })
  return result as StructuralSchema
}
