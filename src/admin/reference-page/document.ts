import type { Schema } from '../contract/schema-text.js'

/** The parts of an OpenAPI document from which the page is made. */
export interface Description {
  info: { title: string; version: string; description: string }
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, Call>>
  components: { schemas: Record<string, Schema>; securitySchemes?: object }
}

export interface Call {
  operationId: string
  summary: string
  description: string
  tags: string[]
  security?: object[]
  parameters?: Parameter[]
  requestBody?: { required: boolean; content: Content }
  responses: Record<string, Answer>
}

export interface Parameter {
  name: string
  in: 'path' | 'query'
  required?: boolean
  description?: string
  schema: Schema
  example?: unknown
}

export interface Answer {
  description: string
  headers?: Record<string, { description: string }>
  content?: Content
}

export type Content = Record<
  string,
  { schema: Schema; example?: unknown; examples?: Record<string, { summary: string; value: unknown }> }
>
