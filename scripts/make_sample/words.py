"""Adjectives, verbs and the few closed classes that every grammar shares.

`*` before the concept: held out of train.
"""
# ruff: noqa: E501 -- a table row is one line, however long

#: concept classes | eng | spa (masculine feminine) | eus | ind | jav | tur | zho | fin nominative
#: genitive partitive partitive-plural nominative-plural. Classes as for nouns: what it may modify.
ADJECTIVES = """
big ATB | big | grande grande | handi | besar | gedhe | büyük | 大 | iso ison isoa isoja isot
small ATB | small | pequeño pequeña | txiki | kecil | cilik | küçük | 小 | pieni pienen pientä pieniä pienet
old TB | old | viejo vieja | zahar! | lama | lawas | eski | 旧 | vanha vanhan vanhaa vanhoja vanhat
new TB | new | nuevo nueva | berri | baru | anyar | yeni | 新 | uusi uuden uutta uusia uudet
expensive TB | expensive | caro cara | garesti | mahal | larang | pahalı | 贵 | kallis kalliin kallista kalliita kalliit
cheap TB | cheap | barato barata | merke | murah | murah | ucuz | 便宜 | halpa halvan halpaa halpoja halvat
clean TB | clean | limpio limpia | garbi | bersih | resik | temiz | 干净 | puhdas puhtaan puhdasta puhtaita puhtaat
dirty TB | dirty | sucio sucia | zikin | kotor | reged | kirli | 脏 | likainen likaisen likaista likaisia likaiset
beautiful B | beautiful | hermoso hermosa | eder! | indah | endah | güzel | 漂亮 | kaunis kauniin kaunista kauniita kauniit
*heavy T | heavy | pesado pesada | astun | berat | abot | ağır | 重 | painava painavan painavaa painavia painavat
strong HA | strong | fuerte fuerte | indartsu | kuat | rosa | güçlü | 强壮 | vahva vahvan vahvaa vahvoja vahvat
young H | young | joven joven | gazte | muda | enom | genç | 年轻 | nuori nuoren nuorta nuoria nuoret
rich H | rich | rico rica | aberats | kaya | sugih | zengin | 富有 | rikas rikkaan rikasta rikkaita rikkaat
poor H | poor | pobre pobre | pobre | miskin | mlarat | fakir | 贫穷 | köyhä köyhän köyhää köyhiä köyhät
happy H | happy | feliz feliz | zoriontsu | gembira | bungah | mutlu | 高兴 | iloinen iloisen iloista iloisia iloiset
sad H | sad | triste triste | triste | sedih | susah | üzgün | 难过 | surullinen surullisen surullista surullisia surulliset
*famous H | famous | famoso famosa | ospetsu | terkenal | misuwur | ünlü | 有名 | kuuluisa kuuluisan kuuluisaa kuuluisia kuuluisat
healthy HA | healthy | sano sana | osasuntsu | sehat | waras | sağlıklı | 健康 | terve terveen tervettä terveitä terveet
white TA | white | blanco blanca | zuri | putih | putih | beyaz | 白 | valkoinen valkoisen valkoista valkoisia valkoiset
black TA | black | negro negra | beltz | hitam | ireng | siyah | 黑 | musta mustan mustaa mustia mustat
red T | red | rojo roja | gorri | merah | abang | kırmızı | 红 | punainen punaisen punaista punaisia punaiset
"""

ANTONYMS = {
    "big": "small",
    "small": "big",
    "old": "new",
    "new": "old",
    "expensive": "cheap",
    "cheap": "expensive",
    "clean": "dirty",
    "dirty": "clean",
    "rich": "poor",
    "poor": "rich",
    "happy": "sad",
    "sad": "happy",
    "white": "black",
    "black": "white",
}

#: concept frame objects event-type | eng base past participle | spa infinitive, preterite sg pl,
#: present sg pl, participle | eus participle imperfective auxiliary(+light word) | ind active
#: passive root | jav active passive root | tur stem/before-vowel passive present (+light word) |
#: zho verb | fin infinitive, past sg pl, present sg pl, connegative, past participle sg pl,
#: object case (g: total, p: partitive).
#: Frames: i intransitive, m motion, t transitive, d ditransitive, c clause (C: factive).
#: Objects: the noun classes that may be the object; @: persons.
VERBS = """
sleep i - - | sleep slept slept | dormir durmió durmieron duerme duermen dormido | egin egiten du+lo | tidur - tidur | turu - turu | uyu - uyuyor | 睡着 | nukkua nukkui nukkuivat nukkuu nukkuvat nuku nukkunut nukkuneet -
laugh i - - | laugh laughed laughed | reír rió rieron ríe ríen reído | egin egiten du+barre | tertawa - tawa | ngguyu - guyu | gül - gülüyor | 笑 | nauraa nauroi nauroivat nauraa nauravat naura nauranut nauraneet -
cry i - - | cry cried cried | llorar lloró lloraron llora lloran llorado | egin egiten du+negar | menangis - tangis | nangis - tangis | ağla - ağlıyor | 哭 | itkeä itki itkivät itkee itkevät itke itkenyt itkeneet -
dance i - - | dance danced danced | bailar bailó bailaron baila bailan bailado | egin egiten du+dantza | menari - tari | njoged - joged | et/ed - ediyor dans | 跳舞 | tanssia tanssi tanssivat tanssii tanssivat tanssi tanssinut tanssineet -
sing i - - | sing sang sung | cantar cantó cantaron canta cantan cantado | abestu abesten du | menyanyi - nyanyi | nyanyi - nyanyi | söyle - söylüyor şarkı | 唱歌 | laulaa lauloi lauloivat laulaa laulavat laula laulanut laulaneet -
work i - Work | work worked worked | trabajar trabajó trabajaron trabaja trabajan trabajado | egin egiten du+lan | bekerja - kerja | makarya - karya | çalış - çalışıyor | 工作 | työskennellä työskenteli työskentelivät työskentelee työskentelevät työskentele työskennellyt työskennelleet -
rest i - - | rest rested rested | descansar descansó descansaron descansa descansan descansado | hartu hartzen du+atseden | beristirahat - istirahat | ngaso - aso | dinlen - dinleniyor | 休息 | levätä lepäsi lepäsivät lepää lepäävät lepää levännyt levänneet -
*swim i - - | swim swam swum | nadar nadó nadaron nada nadan nadado | egin egiten du+igeri | berenang - renang | nglangi - langi | yüz - yüzüyor | 游泳 | uida ui uivat ui uivat ui uinut uineet -
go m - Motion | go went gone | ir fue fueron va van ido | joan joaten da | pergi - pergi | lunga - lunga | git/gid - gidiyor | 去 | mennä meni menivät menee menevät mene mennyt menneet -
return m - Motion | return returned returned | volver volvió volvieron vuelve vuelven vuelto | itzuli itzultzen da | kembali - kembali | bali - bali | dön - dönüyor | 回到 | palata palasi palasivat palaa palaavat palaa palannut palanneet -
come m - Motion | come came come | venir vino vinieron viene vienen venido | etorri etortzen da | datang - datang | teka - teka | gel - geliyor | 来到 | tulla tuli tulivat tulee tulevat tule tullut tulleet -
*travel m - Motion | travel traveled traveled | viajar viajó viajaron viaja viajan viajado | bidaiatu bidaiatzen du | bepergian - pergi | lelungan - lunga | et/ed - ediyor seyahat | 前往 | matkustaa matkusti matkustivat matkustaa matkustavat matkusta matkustanut matkustaneet -
buy t TFMBV Transfer | buy bought bought | comprar compró compraron compra compran comprado | erosi erosten du | membeli dibeli beli | tuku dituku tuku | al alın alıyor | 买 | ostaa osti ostivat ostaa ostavat osta ostanut ostaneet g
sell t TFBV Transfer | sell sold sold | vender vendió vendieron vende venden vendido | saldu saltzen du | menjual dijual jual | adol didol dol | sat satıl satıyor | 卖 | myydä myi myivät myy myyvät myy myynyt myyneet g
see t TAV@H Perception | see saw seen | ver vio vieron ve ven visto | ikusi ikusten du | melihat dilihat lihat | ndeleng dideleng deleng | gör görül görüyor | 看见 | nähdä näki näkivät näkee näkevät näe nähnyt nähneet g
find t TAH@ Discovery | find found found | encontrar encontró encontraron encuentra encuentran encontrado | aurkitu aurkitzen du | menemukan ditemukan temu | nemokake ditemokake temu | bul bulun buluyor | 找到 | löytää löysi löysivät löytää löytävät löydä löytänyt löytäneet g
lose t T Loss | lose lost lost | perder perdió perdieron pierde pierden perdido | galdu galtzen du | menghilangkan dihilangkan hilang | ngilangake diilangake ilang | kaybet/kaybed kaybedil kaybediyor | 丢 | kadottaa kadotti kadottivat kadottaa kadottavat kadota kadottanut kadottaneet g
eat t FM Consumption | eat ate eaten | comer comió comieron come comen comido | jan jaten du | makan dimakan makan | mangan dipangan pangan | ye yen yiyor | 吃 | syödä söi söivät syö syövät syö syönyt syöneet g
drink t D Consumption | drink drank drunk | beber bebió bebieron bebe beben bebido | edan edaten du | minum diminum minum | ngombe diombe ombe | iç içil içiyor | 喝 | juoda joi joivat juo juovat juo juonut juoneet g
read t R Communication | read read read | leer leyó leyeron lee leen leído | irakurri irakurtzen du | membaca dibaca baca | maca diwaca waca | oku okun okuyor | 读 | lukea luki lukivat lukee lukevat lue lukenut lukeneet g
write t W Creation | write wrote written | escribir escribió escribieron escribe escriben escrito | idatzi idazten du | menulis ditulis tulis | nulis ditulis tulis | yaz yazıl yazıyor | 写 | kirjoittaa kirjoitti kirjoittivat kirjoittaa kirjoittavat kirjoita kirjoittanut kirjoittaneet g
build t B Creation | build built built | construir construyó construyeron construye construyen construido | eraiki eraikitzen du | membangun dibangun bangun | mbangun dibangun bangun | et/ed edil ediyor inşa | 建造 | rakentaa rakensi rakensivat rakentaa rakentavat rakenna rakentanut rakentaneet g
open t O Opening | open opened opened | abrir abrió abrieron abre abren abierto | ireki irekitzen du | membuka dibuka buka | mbukak dibukak bukak | aç açıl açıyor | 打开 | avata avasi avasivat avaa avaavat avaa avannut avanneet g
close t O Closing | close closed closed | cerrar cerró cerraron cierra cierran cerrado | itxi ixten du | menutup ditutup tutup | nutup ditutup tutup | kapat kapatıl kapatıyor | 关上 | sulkea sulki sulkivat sulkee sulkevat sulje sulkenut sulkeneet g
wash t KV - | wash washed washed | lavar lavó lavaron lava lavan lavado | garbitu garbitzen du | mencuci dicuci cuci | ngumbah diumbah umbah | yıka yıkan yıkıyor | 洗 | pestä pesi pesivät pesee pesevät pese pessyt pesseet g
*repair t V - | repair repaired repaired | reparar reparó repararon repara reparan reparado | konpondu konpontzen du | memperbaiki diperbaiki baik | ndandani didandani dandan | et/ed edil ediyor tamir | 修理 | korjata korjasi korjasivat korjaa korjaavat korjaa korjannut korjanneet g
hide t TF - | hide hid hidden | esconder escondió escondieron esconde esconden escondido | ezkutatu ezkutatzen du | menyembunyikan disembunyikan sembunyi | ndhelikake didhelikake dhelik | sakla saklan saklıyor | 藏 | piilottaa piilotti piilottivat piilottaa piilottavat piilota piilottanut piilottaneet g
steal t TV Theft | steal stole stolen | robar robó robaron roba roban robado | lapurtu lapurtzen du | mencuri dicuri curi | nyolong dicolong colong | çal çalın çalıyor | 偷 | varastaa varasti varastivat varastaa varastavat varasta varastanut varastaneet g
help t @H Help | help helped helped | ayudar ayudó ayudaron ayuda ayudan ayudado | lagundu laguntzen diodat | membantu dibantu bantu | ngrewangi direwangi rewang | et/ed edil ediyor yardım | 帮助 | auttaa auttoi auttoivat auttaa auttavat auta auttanut auttaneet p
invite t @H Contact | invite invited invited | invitar invitó invitaron invita invitan invitado | gonbidatu gonbidatzen du | mengundang diundang undang | ngundang diundang undang | et/ed edil ediyor davet | 邀请 | kutsua kutsui kutsuivat kutsuu kutsuvat kutsu kutsunut kutsuneet g
*greet t @H Contact | greet greeted greeted | saludar saludó saludaron saluda saludan saludado | agurtu agurtzen du | menyapa disapa sapa | nyapa disapa sapa | selamla selamlan selamlıyor | 问候 | tervehtiä tervehti tervehtivät tervehtii tervehtivät tervehdi tervehtinyt tervehtineet p
love t @AH - | love loved loved | amar amó amaron ama aman amado | maitatu maitatzen du | mencintai dicintai cinta | nresnani ditresnani tresna | sev sevil seviyor | 爱 | rakastaa rakasti rakastivat rakastaa rakastavat rakasta rakastanut rakastaneet p
follow t @HA - | follow followed followed | seguir siguió siguieron sigue siguen seguido | jarraitu jarraitzen diodat | mengikuti diikuti ikut | ngetutake ditutake tut | et/ed edil ediyor takip | 跟踪 | seurata seurasi seurasivat seuraa seuraavat seuraa seurannut seuranneet p
give d TF Transfer | give gave given | dar dio dieron da dan dado | eman ematen dio | memberikan diberikan beri | menehake diwenehake weneh | ver veril veriyor | 给 | antaa antoi antoivat antaa antavat anna antanut antaneet g
send d TR Transfer | send sent sent | enviar envió enviaron envía envían enviado | bidali bidaltzen dio | mengirim dikirim kirim | ngirim dikirim kirim | gönder gönderil gönderiyor | 寄给 | lähettää lähetti lähettivät lähettää lähettävät lähetä lähettänyt lähettäneet g
*bring d TF Transfer | bring brought brought | traer trajo trajeron trae traen traído | ekarri ekartzen dio | membawa dibawa bawa | nggawa digawa gawa | getir getiril getiriyor | 带给 | tuoda toi toivat tuo tuovat tuo tuonut tuoneet g
lend d TV Transfer | lend lent lent | prestar prestó prestaron presta prestan prestado | utzi uzten dio | meminjamkan dipinjamkan pinjam | nyilihake disilihake silih | ver veril veriyor ödünç | 借给 | lainata lainasi lainasivat lainaa lainaavat lainaa lainannut lainanneet g
say c - Communication | say said said | decir dijo dijeron dice dicen dicho | esan esaten du | mengatakan dikatakan kata | ngomong - omong | söyle söylen söylüyor | 说 | sanoa sanoi sanoivat sanoo sanovat sano sanonut sanoneet g
hear c - Perception | hear heard heard | oír oyó oyeron oye oyen oído | entzun entzuten du | mendengar didengar dengar | krungu - rungu | duy duyul duyuyor | 听说 | kuulla kuuli kuulivat kuulee kuulevat kuule kuullut kuulleet g
remember C - Cognition | remember remembered remembered | recordar recordó recordaron recuerda recuerdan recordado | gogoratu gogoratzen du | ingat - ingat | kelingan - eling | hatırla hatırlan hatırlıyor | 记得 | muistaa muisti muistivat muistaa muistavat muista muistanut muistaneet g
forget C - Cognition | forget forgot forgotten | olvidar olvidó olvidaron olvida olvidan olvidado | ahaztu ahazten du | lupa - lupa | lali - lali | unut unutul unutuyor | 忘记 | unohtaa unohti unohtivat unohtaa unohtavat unohda unohtanut unohtaneet g
"""

#: number -> eng | spa m f | eus | ind | jav | tur | zho | fin nominative, partitive
NUMBERS = """
2 | two | dos | bi | dua | loro | iki | 两 | kaksi kahta
3 | three | tres | hiru | tiga | telu | üç | 三 | kolme kolmea
4 | four | cuatro | lau | empat | papat | dört | 四 | neljä neljää
5 | five | cinco | bost | lima | lima | beş | 五 | viisi viittä
6 | six | seis | sei | enam | enem | altı | 六 | kuusi kuutta
10 | ten | diez | hamar | sepuluh | sepuluh | on | 十 | kymmenen kymmentä
"""
