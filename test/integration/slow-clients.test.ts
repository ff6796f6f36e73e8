import { slowClients } from '../scenarios/slow-clients.js'

slowClients({ clients: 500, limit: 1500 })
