package com.example.reports

import kotlinx.coroutines.flow.conflate
import kotlinx.coroutines.runBlocking
import kotlin.system.exitProcess

/** `gradle run --args="http://localhost:8000/graphql CAMPAIGN"`, with the key in REPORTS_KEY. */
fun main(words: Array<String>) {
    val key = System.getenv("REPORTS_KEY")
    if (words.size != 2 || key == null) {
        System.err.println("REPORTS_KEY=... watch-campaign ENDPOINT CAMPAIGN")
        exitProcess(2)
    }
    val (endpoint, campaign) = words
    val client = reports(endpoint) { key }
    runBlocking {
        try {
            CampaignScreen(client, campaign).pages().conflate().collect { page ->
                val figures = page.figures
                println("\n${figures.name}, ${figures.statistics.total} messages")
                for (rate in figures.statistics.indicators) {
                    println("  %-28s %6.1f %%  (%d)".format(rate.label, (rate.rate ?: 0.0) * 100, rate.count))
                }
                for (message in page.messages.nodes.map { it.row }) {
                    println("  ${message.recipient}  ${message.statusLabel}  ${message.statusAt}")
                }
            }
        } catch (refused: Refused) {
            System.err.println(refused.message)
            exitProcess(1)
        }
    }
}
